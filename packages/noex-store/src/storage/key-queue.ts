/** Runs operations on the same key one after the other, and those on different keys side by side. */
export class KeyQueue {
  /** The last operation of each key that has any; these promises never reject. */
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `operation` after all earlier ones of the key, and gives its outcome. */
  run<T> (key: string, operation: () => Promise<T>): Promise<T> {
    const outcome = (this.#tails.get(key) ?? Promise.resolve()).then(operation)
    const forget = () => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
    const tail = outcome.then(forget, forget)
    this.#tails.set(key, tail)
    return outcome
  }

  /** Resolves when every operation has ended that was given so far. */
  async idle (): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
