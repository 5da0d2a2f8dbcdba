import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Clock } from '../clock.js'

/** How often the event loop is looked at, in milliseconds. What Node measures is the time between two looks. */
const RESOLUTION_MS = 20

/** The shortest time that a reading tells of, after the first such time, in milliseconds. */
const WINDOW_MS = 60_000

/** By how much the event loop was late, in seconds. */
export interface EventLoopReading {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

interface Window {
  readonly histogram: IntervalHistogram
  /** Ticks of the clock. */
  since: number
}

/**
 * Measures how late the event loop is. A reading tells of the last one or two minutes, and takes nothing from the next one:
 * several may read, at any time, and all see the same peaks. It keeps no process alive; `stop` ends it.
 */
export class EventLoopDelay {
  readonly #clock: Clock
  #older: Window
  #newer: Window

  constructor (clock: Clock) {
    this.#clock = clock
    this.#older = this.#start()
    this.#newer = this.#start()
  }

  /** What was measured since the older of the two windows began. */
  read (): EventLoopReading {
    const now = this.#clock.ticks()
    if (now - this.#newer.since >= WINDOW_MS) {
      const { histogram } = this.#older
      histogram.reset()
      this.#older = this.#newer
      this.#newer = { histogram, since: now }
    }
    const { histogram } = this.#older
    // Nothing measured yet.
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 }
    return { p50: lateness(histogram.percentile(50)), p99: lateness(histogram.percentile(99)), max: lateness(histogram.max) }
  }

  stop (): void {
    for (const { histogram } of [this.#older, this.#newer]) histogram.disable()
  }

  #start (): Window {
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    histogram.enable()
    return { histogram, since: this.#clock.ticks() }
  }
}

/** Seconds by which a look came too late; `intervalNs` is the time since the one before. */
function lateness (intervalNs: number): number {
  return Math.max(0, intervalNs / 1e9 - RESOLUTION_MS / 1_000)
}
