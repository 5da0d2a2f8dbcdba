import { tooManyChanges } from '../protocol/refusals.js'

/**
 * Runs changes one after the other, in the order of the calls, so that what a change has read still holds
 * when it writes.
 */
export class ChangeQueue {
  readonly #max: number
  readonly #retryAfterMs: number
  #last: Promise<unknown> = Promise.resolve()
  /** Changes that have not settled, including the one that runs. */
  #waiting = 0

  /** `max` changes may wait for their turn; another one is told to wait `retryAfterMs`. */
  constructor (max: number, retryAfterMs: number) {
    this.#max = max
    this.#retryAfterMs = retryAfterMs
  }

  /**
   * Runs `change` when all earlier ones have settled, and settles as it does.
   * @throws `RATE_LIMITED` when too many changes wait
   */
  async run<T> (change: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#max) throw tooManyChanges(this.#retryAfterMs)
    return await this.enqueue(change)
  }

  /** Runs `change` like `run`, however many wait. */
  async enqueue<T> (change: () => Promise<T>): Promise<T> {
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
