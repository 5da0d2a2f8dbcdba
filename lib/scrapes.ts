import type { ArrivingRequest } from './access/arrival.js'
import type { HttpAccess, HttpRefusal } from './access/http-access.js'
import type { AuditTrail } from './audit/trail.js'
import type { Connections } from './connection/connections.js'
import type { Feeds } from './feeds/feeds.js'
import { limits, type Refusals } from './limits/refusals.js'
import type { RuleService } from './rules/rule-service.js'
import type { Metrics } from './metrics/metrics.js'
import type { DurabilityWatch } from './store/durability-watch.js'
import type { Readings } from './metrics/readings.js'

/** What metrics are read from. */
export interface Sources {
  readonly connections: Connections
  readonly feeds: Feeds
  readonly rules: RuleService | undefined
  readonly trail: AuditTrail | undefined
  readonly refusals: Refusals
  readonly httpAccess: HttpAccess
  readonly durability: DurabilityWatch
  /** The service itself. */
  readonly service: {
    readonly state: 'serving' | 'draining' | 'closed'
    readonly obstacle: object | undefined
    readonly uptimeMs: number
  }
}

/** A scrape as it is sent. */
export interface ScrapeText {
  readonly contentType: string
  readonly text: string
}

/** Closes that are refusals, too: the client did not keep a limit. */
const refusingCloses = ['login_timeout', 'overloaded', 'slow_consumer', 'heartbeat_timeout'] as const

/** The metrics of a service, read at the moment in which somebody asks: between two scrapes, only the requests are counted for them. */
export class Scrapes {
  readonly #metrics: Metrics
  readonly #sources: Sources

  constructor (metrics: Metrics, sources: Sources) {
    this.#metrics = metrics
    this.#sources = sources
  }

  /** What `/metrics` answers to a request, or the status and the reason of its refusal. Rejects when nobody can tell. */
  async over (request: ArrivingRequest): Promise<ScrapeText | HttpRefusal> {
    const admitted = await this.#sources.httpAccess.admitToStats(request)
    if ('refused' in admitted) return admitted
    return { contentType: this.#metrics.contentType, text: await this.#metrics.scrape(this.#read()) }
  }

  /** Ends the metrics. */
  close (): void {
    this.#metrics.close()
  }

  #read (): Readings {
    const { connections, feeds, rules, trail, refusals, service, durability } = this.#sources
    const { quota } = connections
    const closes = connections.endings.counts
    return {
      uptimeMs: service.uptimeMs,
      ready: service.obstacle === undefined,
      draining: service.state !== 'serving',
      connections: connections.size,
      authenticated: connections.authenticated,
      subscriptions: quota.taken,
      feeds: { store: feeds.size, rules: rules?.feedCount ?? 0 },
      evaluations: feeds.evaluations,
      pushes: quota.pushes,
      queued: connections.queued,
      refusals: {
        ...Object.fromEntries(limits.map(limit => [limit, refusals.of(limit)])),
        ...Object.fromEntries(refusingCloses.map(reason => [reason, closes[reason] ?? 0]))
      },
      closes,
      store: {
        isUnavailable: durability.isUnavailable, lagMs: durability.lagMs, diskBytes: durability.diskBytes
      },
      sinks: trail?.stats.sinks ?? []
    }
  }
}
