import type { StoreStats } from '@hamicek/noex-store'
import type { IncomingRequest } from '../handshake/request-origin.js'
import type { HttpAuthorizer, HttpRefusal } from '../auth/http-authorizer.js'
import type { AuditTrail } from '../audit/trail.js'
import type { Connections } from '../connection/connections.js'
import type { LiveQueries } from '../subscriptions/live-queries.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import type { Exposition } from '../metrics/exposition.js'
import type { ProcessMetrics } from '../metrics/process-metrics.js'
import type { RequestMetrics } from '../metrics/request-metrics.js'
import type { DurabilityWatch } from '../store/durability-watch.js'
import { labelledBuckets, refusalCounts, type RefusalSources } from './readings.js'
import type { ServiceStatus } from './status.js'
import type { MetricsSnapshot } from '../metrics/metrics-snapshot.js'

/** The parts that metrics are read from. */
export interface MetricsSources extends RefusalSources {
  readonly connections: Connections
  readonly liveQueries: LiveQueries
  readonly rules: RuleService | undefined
  readonly trail: AuditTrail | undefined
  readonly httpAuthorizer: HttpAuthorizer
  readonly durability: DurabilityWatch
  readonly status: ServiceStatus
  /** Infinity: there is none. */
  readonly connectionLimit: number
  readonly requestMetrics: RequestMetrics
  readonly processMetrics: ProcessMetrics
  /** Returns the statistics of the store, without system buckets; `null` where it has none. */
  readonly storeStats: () => Promise<StoreStats | null>
}

/** The body of an answer to `/metrics`. */
export interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/** The metrics of a service, read when they are scraped. */
export class MetricsCollector {
  readonly #exposition: Exposition
  readonly #sources: MetricsSources

  constructor (exposition: Exposition, sources: MetricsSources) {
    this.#exposition = exposition
    this.#sources = sources
  }

  /** Returns the answer of `/metrics`, or a refusal. Rejects when the rights are unknown. */
  async forHttp (request: IncomingRequest): Promise<MetricsText | HttpRefusal> {
    const admitted = await this.#sources.httpAuthorizer.authorizeStats(request)
    if ('refused' in admitted) return admitted
    const stats = await this.#sources.storeStats()
    return { contentType: this.#exposition.contentType, text: await this.#exposition.text(this.#read(stats)) }
  }

  #read (stats: StoreStats | null): MetricsSnapshot {
    const { connections, liveQueries, rules, trail, status, durability } = this.#sources
    const { requestMetrics, processMetrics } = this.#sources
    const { quota } = connections
    return {
      uptimeMs: status.uptimeMs,
      ready: status.notReady === undefined,
      draining: status.state !== 'serving',
      connections: connections.size,
      connectionLimit: this.#sources.connectionLimit,
      authenticated: connections.authenticated,
      subscriptions: quota.taken,
      distinctSubscriptions: { store: liveQueries.size, rules: rules?.channelCount ?? 0 },
      evaluations: liveQueries.metrics.evaluations,
      evaluationsOf: liveQueries.metrics.labels,
      live: liveQueries.stats,
      pushes: quota.pushes,
      queued: connections.queued,
      rejections: refusalCounts(this.#sources),
      closes: connections.closeCounters.all,
      buckets: stats === null ? [] : labelledBuckets(stats),
      store: {
        isUnavailable: durability.isUnavailable, lagMs: durability.lagMs, diskBytes: durability.diskBytes
      },
      sinks: trail?.stats.sinks ?? [],
      operations: requestMetrics.operations,
      heapLimitBytes: processMetrics.heapLimitBytes,
      eventLoop: processMetrics.eventLoop
    }
  }
}
