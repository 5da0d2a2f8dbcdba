import type { AddressInfo } from 'node:net'
import type { StoreStats } from '@hamicek/noex-store'
import { plainAnswer } from '../application/plain-answer.js'
import type { IncomingRequest } from '../handshake/request-origin.js'
import type { HttpAuthorizer, HttpRefusal } from '../auth/http-authorizer.js'
import type { Session } from '../protocol/session.js'
import type { AuditTrail } from '../audit/trail.js'
import type { Connections } from '../connection/connections.js'
import type { ProcessMetrics } from '../metrics/process-metrics.js'
import type { RequestMetrics } from '../metrics/request-metrics.js'
import type { ServerStats } from '../operations/server-info.js'
import type { Log } from '../util/log.js'
import type { ResolvedOptions } from '../options/options.js'
import type { LiveQueries } from '../subscriptions/live-queries.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import type { SharedStore } from '../store/shared-store.js'
import type { ServiceStatus } from './status.js'
import type { DurabilityWatch } from '../store/durability-watch.js'
import { isSystemBucket } from '../store/system-buckets.js'
import { bucketStats, refusalCounts, type RefusalSources } from './readings.js'

/** The parts that statistics are read from. */
export interface StatisticsSources extends RefusalSources {
  readonly options: ResolvedOptions
  readonly sharedStore: SharedStore
  readonly connections: Connections
  readonly liveQueries: LiveQueries
  readonly rules: RuleService | undefined
  readonly trail: AuditTrail | undefined
  readonly httpAuthorizer: HttpAuthorizer
  readonly address: () => AddressInfo | string | null
  readonly status: ServiceStatus
  readonly durability: DurabilityWatch
  readonly requestMetrics: RequestMetrics
  readonly processMetrics: ProcessMetrics
  readonly log: Log
}

/** The statistics of a service, for each session as much as it may see. */
export class Statistics {
  readonly #sources: StatisticsSources

  constructor (options: StatisticsSources) {
    this.#sources = options
  }

  /**
   * Returns all statistics, those of system buckets included. Never rejects because of the store. Takes a
   * look at each connection and each bucket, and none at a record.
   */
  async all (): Promise<ServerStats> {
    return await this.#collect(this.#sources.sharedStore.hasSystemBuckets)
  }

  /** Returns the statistics that a session may see: only a superadmin sees those of system buckets. */
  async for (session: Session | undefined): Promise<ServerStats> {
    return isSuperadmin(session) ? await this.all() : await this.#collect(false)
  }

  async #collect (withSystemBuckets: boolean): Promise<ServerStats> {
    const { options, connections, liveQueries, rules, trail, status } = this.#sources
    const { durability, requestMetrics, processMetrics } = this.#sources
    const address = this.#sources.address()
    const { port, address: host } =
      typeof address === 'object' && address !== null ? address : { port: null, address: null }
    const active = connections.size
    const { allBytes: bytes, largestBytes } = connections.queued
    const store = await this.#storeStats(withSystemBuckets)
    return {
      name: options.name,
      port,
      host,
      connectionCount: active,
      uptimeMs: status.uptimeMs,
      authEnabled: options.auth !== undefined,
      rateLimitEnabled: options.rateLimit !== undefined,
      rulesEnabled: rules !== undefined,
      connections: {
        active,
        authenticated: connections.authenticated,
        totalStoreSubscriptions: connections.quota.taken.store,
        totalRulesSubscriptions: connections.quota.taken.rules
      },
      liveQueries: liveQueries.stats,
      store,
      rules: await rules?.stats() ?? null,
      ...(trail !== undefined && { audit: trail.stats }),
      process: processMetrics.read(),
      operations: requestMetrics.stats,
      buckets: store === null ? {} : bucketStats(store),
      durability: durability.stats,
      queues: { bytes, largestBytes },
      refusals: refusalCounts(this.#sources)
    }
  }

  /** Returns the answer of `/stats`, or a refusal. Rejects when the rights are unknown. */
  async forHttp (request: IncomingRequest): Promise<ServerStats | HttpRefusal> {
    const admitted = await this.#sources.httpAuthorizer.authorizeStats(request)
    return 'refused' in admitted ? admitted : await this.for(admitted.session)
  }

  /** Returns the statistics of the store alone that a session may see; `null` where it fails to answer. */
  async storeFor (session: Session | undefined): Promise<StoreStats | null> {
    return await this.#storeStats(isSuperadmin(session) && this.#sources.sharedStore.hasSystemBuckets)
  }

  /** Returns the statistics of the store, to which the subscriptions of this service are added. */
  async #storeStats (withSystemBuckets: boolean): Promise<StoreStats | null> {
    const { options, sharedStore, connections, log } = this.#sources
    try {
      const isCounted = (bucket: string): boolean => withSystemBuckets || !isSystemBucket(bucket, sharedStore)
      const stats = plainAnswer('the store', await options.store.getStats(isCounted))
      const activeSubscriptions = stats.queries.activeSubscriptions + connections.quota.taken.store
      return { ...stats, queries: { ...stats.queries, activeSubscriptions } }
    } catch (error) {
      log.warn({ err: error }, 'the store has no statistics')
      return null
    }
  }
}

function isSuperadmin (session: Session | undefined): boolean {
  return session?.roles.includes('superadmin') === true
}
