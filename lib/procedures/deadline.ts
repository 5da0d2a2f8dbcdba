import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'

/** The time limit of one call. */
export class Deadline {
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #at: number

  /** Starts the time. */
  constructor (limitMs: number, clock: Clock) {
    this.#limitMs = limitMs
    this.#clock = clock
    this.#at = clock.ticks() + limitMs
  }

  /** @throws `INTERNAL_ERROR` when the time is over */
  check (): void {
    if (this.#clock.ticks() >= this.#at) throw this.#error()
  }

  /**
   * Waits for `work` until the time is over; its outcome is ignored then.
   * @throws `INTERNAL_ERROR`, converted by `explain`
   */
  async race<T> (work: Promise<T>, explain: (error: Error) => Error = error => error): Promise<T> {
    let cancel!: () => void
    const passed = new Promise<never>((_resolve, reject) => {
      const leftMs = Math.max(0, this.#at - this.#clock.ticks())
      cancel = this.#clock.after(leftMs, () => { reject(explain(this.#error())) })
    })
    try {
      return await Promise.race([work, passed])
    } finally {
      cancel()
    }
  }

  #error (): NoexServerError {
    const message = `The procedure took longer than ${this.#limitMs} ms and was stopped`
    return new NoexServerError('INTERNAL_ERROR', message)
  }
}
