import type { IncomingRequest } from '../handshake/request-origin.js'
import type { HttpAuthorizer, HttpRefusal } from '../auth/http-authorizer.js'
import type { AuditTrail } from '../audit/trail.js'
import type { Connections } from '../connection/connections.js'
import type { LiveQueries } from '../subscriptions/live-queries.js'
import type { Rejections } from '../limits/rejections.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import type { Metrics } from '../metrics/metrics.js'
import type { DurabilityWatch } from '../store/durability-watch.js'
import type { ServiceStatus } from './status.js'
import type { MetricsSnapshot } from '../metrics/metrics-snapshot.js'

/** The parts that metrics are read from. */
export interface MetricsSources {
  readonly connections: Connections
  readonly liveQueries: LiveQueries
  readonly rules: RuleService | undefined
  readonly trail: AuditTrail | undefined
  readonly rejections: Rejections
  readonly httpAuthorizer: HttpAuthorizer
  readonly durability: DurabilityWatch
  readonly status: ServiceStatus
}

/** The body of an answer to `/metrics`. */
export interface MetricsText {
  readonly contentType: string
  readonly text: string
}

/** Closes that count as rejections too: the client has exceeded a limit. */
const refusingCloses = ['login_timeout', 'overloaded', 'slow_consumer', 'heartbeat_timeout'] as const

/** The metrics of a service, read when they are scraped: between two scrapes, only requests are counted. */
export class MetricsCollector {
  readonly #metrics: Metrics
  readonly #sources: MetricsSources

  constructor (metrics: Metrics, sources: MetricsSources) {
    this.#metrics = metrics
    this.#sources = sources
  }

  /** Returns the answer of `/metrics`, or a refusal. Rejects when the rights are unknown. */
  async forHttp (request: IncomingRequest): Promise<MetricsText | HttpRefusal> {
    const admitted = await this.#sources.httpAuthorizer.authorizeStats(request)
    if ('refused' in admitted) return admitted
    return { contentType: this.#metrics.contentType, text: await this.#metrics.scrape(this.#read()) }
  }

  /** Ends the metrics. */
  close (): void {
    this.#metrics.close()
  }

  #read (): MetricsSnapshot {
    const { connections, liveQueries, rules, trail, rejections, status, durability } = this.#sources
    const { quota } = connections
    const closes = connections.closeCounters.all
    return {
      uptimeMs: status.uptimeMs,
      ready: status.notReady === undefined,
      draining: status.state !== 'serving',
      connections: connections.size,
      authenticated: connections.authenticated,
      subscriptions: quota.taken,
      distinctSubscriptions: { store: liveQueries.size, rules: rules?.channelCount ?? 0 },
      evaluations: liveQueries.evaluations,
      slowEvaluations: liveQueries.slowEvaluations,
      live: liveQueries.stats,
      pushes: quota.pushes,
      queued: connections.queued,
      rejections: {
        ...rejections.all,
        ...Object.fromEntries(refusingCloses.map(reason => [reason, closes[reason]]))
      },
      closes,
      store: {
        isUnavailable: durability.isUnavailable, lagMs: durability.lagMs, diskBytes: durability.diskBytes
      },
      sinks: trail?.stats.sinks ?? []
    }
  }
}
