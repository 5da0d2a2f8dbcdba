/** Says how long to wait before the next attempt. */
export interface RetryDelays {
  /**
   * Returns the delay before the next attempt, in milliseconds; `undefined` where there is to be none.
   * `openMs`: how long the last connection has been open, 0 where the attempt has failed.
   */
  readonly next: (openMs: number) => number | undefined
}

/**
 * Delays with full jitter: each is a random part of a bound, which doubles. A connection that has been open for
 * as long as the bound begins anew: one that is lost at once again and again does not.
 */
export class Backoff implements RetryDelays {
  readonly #minMs: number
  readonly #maxMs: number
  readonly #random: () => number
  #boundMs: number

  constructor (minMs: number, maxMs: number, random: () => number) {
    this.#minMs = minMs
    this.#maxMs = maxMs
    this.#random = random
    this.#boundMs = Math.min(minMs, maxMs)
  }

  next (openMs = 0): number {
    const boundMs = openMs >= this.#boundMs ? this.#minMs : this.#boundMs
    this.#boundMs = Math.min(2 * boundMs, this.#maxMs)
    return boundMs * this.#random()
  }
}
