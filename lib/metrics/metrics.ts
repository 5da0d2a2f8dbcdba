import type { Clock } from '../util/clock.js'
import { EventLoopDelay } from './event-loop-delay.js'
import { Exposition, loadPromClient, type PromClient } from './exposition.js'
import type { MetricsSnapshot } from './metrics-snapshot.js'
import { RequestMetrics } from './request-metrics.js'

/**
 * The metrics of one service, in a registry of its own: they are separate from those of other services in the
 * process and of the application. Exists only where metrics are enabled.
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
   * Starts to measure, until `close`.
   * @throws {NoexOptionsError} when `prom-client` is missing
   */
  static async open (clock: Clock): Promise<Metrics> {
    return new Metrics(await loadPromClient(), clock)
  }

  /** The media type of the text of `scrape`. */
  get contentType (): string {
    return this.#exposition.contentType
  }

  /** Returns all metrics in the text format of Prometheus. */
  async scrape (snapshot: MetricsSnapshot): Promise<string> {
    return await this.#exposition.text(snapshot, this.requests.operations, this.#eventLoop.read())
  }

  /** Stops measuring. */
  close (): void {
    this.#eventLoop.stop()
  }
}
