import type { Clock } from '../util/clock.js'
import { EventLoopDelay } from './event-loop-delay.js'
import { Exposition } from './exposition.js'
import { loadPromClient, type PromClient } from './load-prom-client.js'
import type { MetricsSnapshot } from './metrics-snapshot.js'
import { RequestMetrics } from './request-metrics.js'

/**
 * The metrics of one service, in a registry of its own: services in one process do not meet, and what the
 * application has registered with prom-client stays untouched. A service without metrics has none of this.
 */
export class Metrics {
  readonly requests = new RequestMetrics()
  readonly #eventLoop: EventLoopDelay
  readonly #exposition: Exposition

  private constructor (prom: PromClient, clock: Clock) {
    this.#exposition = new Exposition(prom)
    this.#eventLoop = new EventLoopDelay(clock)
  }

  /**
   * Starts to measure; `close` ends it.
   * @throws {NoexOptionsError} when `prom-client` is missing
   */
  static async open (clock: Clock): Promise<Metrics> {
    return new Metrics(await loadPromClient(), clock)
  }

  /** The media type of `scrape`. */
  get contentType (): string {
    return this.#exposition.contentType
  }

  /** Everything in the text format of Prometheus. */
  async scrape (readings: MetricsSnapshot): Promise<string> {
    return await this.#exposition.text(readings, this.requests.operations, this.#eventLoop.read())
  }

  /** Stops measuring. */
  close (): void {
    this.#eventLoop.stop()
  }
}
