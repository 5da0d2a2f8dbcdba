/**
 * Runs changes one after the other, in the order in which they come, so that what a change has looked at
 * still holds when it writes.
 */
export class ChangeQueue {
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Changes that are not done, the one that runs included. */
  get size (): number {
    return this.#waiting
  }

  /**
   * Runs `change` when its turn comes, and settles as it does. What it rejects with is no concern of the
   * next.
   */
  async run<T> (change: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#last.then(change)
    this.#last = result.catch(() => {}).finally(() => { this.#waiting-- })
    return await result
  }

  /** Resolves when everything that has come so far is done. */
  async idle (): Promise<void> {
    await this.#last
  }
}
