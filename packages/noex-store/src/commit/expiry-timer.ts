import { expireDue } from './expiry.js'
import type { Engine } from './engine.js'

/**
 * Removes records whose time is up, also from buckets that are not used, and forgets requests. Does not keep
 * the process alive.
 */
export class ExpiryTimer {
  readonly intervalMs: number
  readonly #timer: NodeJS.Timeout | undefined
  #isEnabled: boolean

  /** Looks every `intervalMs` milliseconds; never for 0. */
  constructor (engine: Engine, intervalMs: number) {
    this.intervalMs = intervalMs
    this.#isEnabled = intervalMs > 0
    if (!this.#isEnabled) return
    this.#timer = setInterval(() => {
      for (const bucket of [...engine.buckets.values()]) expireDue(engine, bucket)
      engine.requests.forget()
    }, intervalMs).unref()
  }

  get isEnabled (): boolean {
    return this.#isEnabled
  }

  stop (): void {
    this.#isEnabled = false
    clearInterval(this.#timer)
  }
}
