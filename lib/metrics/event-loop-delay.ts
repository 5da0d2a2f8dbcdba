import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import type { Clock } from '../util/clock.js'

/** Milliseconds between two samples of the event loop. Node measures the time between samples. */
const RESOLUTION_MS = 20

/** Length of a window in milliseconds. A reading covers one to two windows. */
const WINDOW_MS = 60_000

/** Delays of the event loop in seconds. */
export interface EventLoopReading {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/**
 * Measures the delay of the event loop, until `stop`. A reading covers the last one or two minutes and resets
 * nothing: several readers see the same peaks. It does not keep the process alive.
 */
export class EventLoopDelay {
  readonly #clock: Clock
  #older = started()
  #newer = started()
  #cancel: () => void = () => {}

  constructor (clock: Clock) {
    this.#clock = clock
    this.#startWindow()
  }

  /** Returns the delays since the older of the two windows began. */
  read (): EventLoopReading {
    const histogram = this.#older
    // There is no sample yet.
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

  #startWindow (): void {
    this.#cancel = this.#clock.after(WINDOW_MS, () => {
      const over = this.#older
      over.reset()
      this.#older = this.#newer
      this.#newer = over
      this.#startWindow()
    })
  }
}

function started (): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}

/** Returns the seconds by which a sample was late; `intervalNs` is the time since the sample before. */
function lateness (intervalNs: number): number {
  return Math.max(0, intervalNs / 1e9 - RESOLUTION_MS / 1_000)
}
