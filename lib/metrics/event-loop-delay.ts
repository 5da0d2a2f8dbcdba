import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Clock } from '../util/clock.js'

/**
 * How often the event loop is looked at, in milliseconds. What Node measures is the time between two looks.
 */
const RESOLUTION_MS = 20

/** A reading tells of one to two times this, in milliseconds. */
const WINDOW_MS = 60_000

/** By how much the event loop was late, in seconds. */
export interface EventLoopReading {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/**
 * Measures how late the event loop is. A reading tells of the last one or two minutes, and takes nothing from
 * the next one: several may read, at any time, and all see the same peaks. It keeps no process alive; `stop`
 * ends it.
 */
export class EventLoopDelay {
  readonly #clock: Clock
  #older = started()
  #newer = started()
  #cancel: () => void = () => {}

  constructor (clock: Clock) {
    this.#clock = clock
    this.#awaitTurn()
  }

  /** What was measured since the older of the two windows began. */
  read (): EventLoopReading {
    const histogram = this.#older
    // Nothing measured yet.
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 }
    return {
      p50: lateness(histogram.percentile(50)),
      p99: lateness(histogram.percentile(99)),
      max: lateness(histogram.max)
    }
  }

  stop (): void {
    this.#cancel()
    for (const histogram of [this.#older, this.#newer]) histogram.disable()
  }

  #awaitTurn (): void {
    this.#cancel = this.#clock.after(WINDOW_MS, () => {
      const over = this.#older
      over.reset()
      this.#older = this.#newer
      this.#newer = over
      this.#awaitTurn()
    })
  }
}

function started (): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}

/** Seconds by which a look came too late; `intervalNs` is the time since the one before. */
function lateness (intervalNs: number): number {
  return Math.max(0, intervalNs / 1e9 - RESOLUTION_MS / 1_000)
}
