import type { Clock } from '../clock.js'
import { NoexServerError } from '../errors.js'

/** The time that one call has. Whoever makes it calls `end`. */
export class Deadline {
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #at: number
  readonly #passed: Promise<never>
  readonly #cancel: () => void

  /** Begins to count. */
  constructor (limitMs: number, clock: Clock) {
    this.#limitMs = limitMs
    this.#clock = clock
    this.#at = clock.ticks() + limitMs
    let pass!: (error: Error) => void
    this.#passed = new Promise((_resolve, reject) => { pass = reject })
    this.#passed.catch(() => {})
    this.#cancel = clock.after(limitMs, () => { pass(this.#error()) })
  }

  /** @throws `INTERNAL_ERROR` when the time is over */
  check (): void {
    if (this.#clock.ticks() >= this.#at) throw this.#error()
  }

  /**
   * Waits for `work`, but no longer than there is time: what becomes of it afterwards does not count.
   * @throws `INTERNAL_ERROR`, as `explain` makes it
   */
  async race<T> (work: Promise<T>, explain: (error: unknown) => unknown = error => error): Promise<T> {
    const passed = this.#passed.catch((error: unknown) => { throw explain(error) })
    return await Promise.race([work, passed])
  }

  /** Stops counting. */
  end (): void {
    this.#cancel()
  }

  #error (): NoexServerError {
    return new NoexServerError('INTERNAL_ERROR', `The procedure took longer than ${this.#limitMs} ms and was stopped`)
  }
}
