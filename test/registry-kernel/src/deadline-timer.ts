import { performance } from 'node:perf_hooks'
import { startUnrefTimer } from './unref-timer.js'

/**
 * One timer for all deadlines of a server.
 *
 * Only the earliest deadline is remembered. A deadline that was met is not taken back: the timer
 * then finds nothing due and is set for what still waits. So a call that waits costs a comparison,
 * not a timer of its own. Times are milliseconds on the clock of `performance.now()`.
 */
export class DeadlineTimer {
  readonly #onDue: (now: number) => void
  #timer: NodeJS.Timeout | undefined
  #earliest = Infinity
  #armedFor = Infinity

  /**
   * @param onDue deals with everything that is due at `now`, and adds the deadlines that still stand
   */
  constructor (onDue: (now: number) => void) {
    this.#onDue = onDue
  }

  /** Remembers a deadline without starting the timer. */
  add (deadline: number): void {
    if (deadline < this.#earliest) this.#earliest = deadline
  }

  /** Sees to it that the timer runs for the earliest deadline that was added. */
  arm (): void {
    if (this.#earliest >= this.#armedFor) return
    clearTimeout(this.#timer)
    this.#armedFor = this.#earliest
    const delay = Math.ceil(this.#earliest - performance.now())
    this.#timer = startUnrefTimer(() => this.#fire(), delay)
  }

  /** Forgets the deadlines for which no timer runs: all of them were met. */
  forget (): void {
    this.#earliest = this.#armedFor
  }

  /** Stops the timer and forgets every deadline. */
  clear (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#earliest = this.#armedFor = Infinity
  }

  #fire (): void {
    this.clear()
    this.#onDue(performance.now())
    this.arm()
  }
}
