import type { Clock } from '../../lib/util/clock.js'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/** A clock that moves only when the test turns it. */
export class FakeClock implements Clock {
  #elapsed = 0
  readonly #timers = new Set<Timer>()

  now (): number {
    return 1_764_000_000_000 + this.#elapsed
  }

  ticks (): number {
    return this.#elapsed
  }

  after (delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#elapsed + delayMs, callback }
    this.#timers.add(timer)
    return () => { this.#timers.delete(timer) }
  }

  /** Timers that have neither fired nor been cancelled. */
  get pending (): number {
    return this.#timers.size
  }

  /** Moves on by `ms` like a process that is stopped: timers are called later, in the next turn. */
  stall (ms: number): void {
    this.#elapsed += ms
  }

  /** Moves on by `ms`, calling each timer at its own moment. */
  turn (ms: number): void {
    const end = this.#elapsed + ms
    for (;;) {
      const [next] = [...this.#timers].filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#elapsed = Math.max(this.#elapsed, next.at)
      next.callback()
    }
    this.#elapsed = end
  }
}
