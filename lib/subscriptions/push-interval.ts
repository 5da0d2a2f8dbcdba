import type { Clock } from '../util/clock.js'

/**
 * The least time between two pushes to one subscription, and the timer of a push that waits for its end. A
 * subscription without such a time has none of these.
 */
export class PushInterval {
  readonly #ms: number
  readonly #clock: Clock
  /** Time before which nothing is pushed, in ticks of the clock. */
  #dueAt = -Infinity
  /** Cancels the timer that runs until then, where something waits. */
  #cancelTimer: (() => void) | undefined

  /** `ms` is the least time, in milliseconds. */
  constructor (ms: number, clock: Clock) {
    this.#ms = ms
    this.#clock = clock
  }

  /** Begins the interval: there has been a push. */
  begin (): void {
    this.#dueAt = this.#clock.ticks() + this.#ms
  }

  /** Whether the client has waited long enough since its last push; if not, `onDue` is called then. */
  isOver (onDue: () => void): boolean {
    const waitMs = this.#dueAt - this.#clock.ticks()
    if (waitMs <= 0) return true
    this.#cancelTimer ??= this.#clock.after(Math.ceil(waitMs), () => {
      this.#cancelTimer = undefined
      onDue()
    })
    return false
  }

  /** Calls no `onDue` any more: nothing waits. */
  cancel (): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }
}
