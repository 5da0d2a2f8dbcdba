const FIRST_MS = 100
const LAST_MS = 5_000

/** Gives the pauses between attempts: each twice as long as the one before, up to five seconds. */
export class Backoff {
  #nextMs = FIRST_MS

  /** Returns the next pause, in milliseconds. */
  next (): number {
    const ms = this.#nextMs
    this.#nextMs = Math.min(2 * ms, LAST_MS)
    return ms
  }

  /** Begins anew, after an attempt has succeeded. */
  reset (): void {
    this.#nextMs = FIRST_MS
  }
}
