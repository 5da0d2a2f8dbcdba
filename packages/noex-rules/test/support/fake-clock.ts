import { setImmediate } from 'node:timers/promises'
import type { CompleteClock } from '../../src/util/clock.js'

interface Wait {
  readonly at: number
  readonly callback: () => void
}

/** A clock that moves only when the test advances it. */
export class FakeClock implements CompleteClock {
  #elapsed = 0
  #skew = 0
  readonly #waits = new Set<Wait>()
  /** The longest wait that was asked for, in milliseconds. */
  longestWait = 0

  readonly now = (): number => 1_700_000_000_000 + this.#elapsed + this.#skew
  readonly ticks = (): number => this.#elapsed

  readonly after = (delayMs: number, callback: () => void): (() => void) => {
    this.longestWait = Math.max(this.longestWait, delayMs)
    const wait = { at: this.#elapsed + delayMs, callback }
    this.#waits.add(wait)
    return () => { this.#waits.delete(wait) }
  }

  /** Waits that have neither ended nor been cancelled. */
  get pending (): number {
    return this.#waits.size
  }

  /** Moves the wall clock by some milliseconds, and leaves the ticks alone. */
  set (ms: number): void {
    this.#skew += ms
  }

  /** Advances by `ms`: each wait ends at its own time, with its consequences. */
  async advance (ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settle()
    for (;;) {
      const [next] = [...this.#waits].filter(wait => wait.at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#waits.delete(next)
      this.#elapsed = Math.max(this.#elapsed, next.at)
      next.callback()
      await settle()
    }
    this.#elapsed = end
    await settle()
  }
}

/** Lets all work run that needs no time. An engine yields now and then, for one turn of the event loop. */
export async function settle (): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await setImmediate()
}
