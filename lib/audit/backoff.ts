const FIRST_MS = 100
const LAST_MS = 5_000

/** The pauses between attempts: each twice as long as the one before, up to five seconds. */
export class Backoff {
  #nextMs = FIRST_MS

  /** The next pause, in milliseconds. */
  next (): number {
    const ms = this.#nextMs
    this.#nextMs = Math.min(2 * ms, LAST_MS)
    return ms
  }

  /** An attempt has succeeded. */
  reset (): void {
    this.#nextMs = FIRST_MS
  }
}
