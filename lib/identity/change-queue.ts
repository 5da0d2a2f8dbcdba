/**
 * Runs changes one after the other, in the order of the calls, so that what a change has read still holds
 * when it writes.
 */
export class ChangeQueue {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Number of changes that have not settled, including the one that runs. */
  get size (): number {
    return this.#waiting
  }

  /** Runs `change` when all earlier ones have settled, and settles as it does. */
  async run<T> (change: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#last.then(change)
    this.#last = result.catch(() => {}).finally(() => { this.#waiting-- })
    return await result
  }

  /** Resolves when all changes so far have settled. */
  async idle (): Promise<void> {
    await this.#last
  }
}
