import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../util/clock.js'
import { EventLoopDelay, type EventLoopReading } from './event-loop-delay.js'

/** The resources that the process uses, as the statistics show them. */
export interface ProcessStats {
  readonly rssBytes: number
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  /** Bytes beyond which the heap cannot grow: the process ends there. */
  readonly heapLimitBytes: number
  readonly externalBytes: number
  /** CPU time since the process started. */
  readonly cpuSeconds: { readonly user: number, readonly system: number }
  /** Garbage collections since the service started, and how long they have taken together. */
  readonly gc: { readonly count: number, readonly seconds: number }
  /** In the last one or two minutes. */
  readonly eventLoopDelayMs: { readonly p50: number, readonly p99: number, readonly max: number }
}

/** Measures what the process uses, until `close`. It does not keep the process alive. */
export class ProcessMetrics {
  readonly #eventLoop: EventLoopDelay
  readonly #observer: PerformanceObserver
  #collections = 0
  #collectionMs = 0

  constructor (clock: Clock) {
    this.#eventLoop = new EventLoopDelay(clock)
    this.#observer = new PerformanceObserver(list => { this.#count(list.getEntries()) })
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  /** Bytes beyond which the heap cannot grow. */
  readonly heapLimitBytes = getHeapStatistics().heap_size_limit

  /** The delays of the event loop, in seconds. */
  get eventLoop (): EventLoopReading {
    return this.#eventLoop.read()
  }

  /** Returns what the process uses at this moment. */
  read (): ProcessStats {
    // Those that have not been handed to the observer yet.
    this.#count(this.#observer.takeRecords())
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const { p50, p99, max } = this.eventLoop
    return {
      rssBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      heapLimitBytes: this.heapLimitBytes,
      externalBytes: external,
      cpuSeconds: { user: user / 1e6, system: system / 1e6 },
      gc: { count: this.#collections, seconds: this.#collectionMs / 1_000 },
      eventLoopDelayMs: { p50: p50 * 1_000, p99: p99 * 1_000, max: max * 1_000 }
    }
  }

  /** Stops measuring. */
  close (): void {
    this.#observer.disconnect()
    this.#eventLoop.stop()
  }

  #count (collections: ReadonlyArray<{ readonly duration: number }>): void {
    for (const { duration } of collections) this.#collectionMs += duration
    this.#collections += collections.length
  }
}
