import type { AddressInfo } from 'node:net'
import type { StoreStats } from '@hamicek/noex-store'
import { plainAnswer } from '../application/plain-answer.js'
import type { IncomingRequest } from '../handshake/request-origin.js'
import type { HttpAuthorizer, HttpRefusal } from '../auth/http-authorizer.js'
import type { Session } from '../protocol/session.js'
import type { AuditTrail } from '../audit/trail.js'
import type { Connections } from '../connection/connections.js'
import type { ServerStats } from '../operations/server-info.js'
import type { Log } from '../util/log.js'
import type { ResolvedOptions } from '../options/options.js'
import type { RuleService } from '../subscriptions/rule-service.js'
import type { SharedStore } from '../store/shared-store.js'
import type { ServiceStatus } from './status.js'
import { isSystemBucket } from '../store/system-buckets.js'

/** What the statistics are of. */
export interface StatisticsOptions {
  readonly options: ResolvedOptions
  readonly sharedStore: SharedStore
  readonly connections: Connections
  readonly rules: RuleService | undefined
  readonly trail: AuditTrail | undefined
  readonly httpAuthorizer: HttpAuthorizer
  readonly address: () => AddressInfo | string | null
  readonly status: ServiceStatus
  readonly log: Log
}

/** What a service tells of itself, and to whom. */
export class Statistics {
  readonly #of: StatisticsOptions

  constructor (options: StatisticsOptions) {
    this.#of = options
  }

  /**
   * Everything; system buckets where there are accounts, since there is a superadmin to see them then. Costs
   * the same however many clients there are, and never rejects because of the store.
   */
  async all (): Promise<ServerStats> {
    return await this.#counting(this.#of.sharedStore.hasSystemBuckets)
  }

  /** Tells a client what it may see: system buckets are the superadmin's. */
  async for (session: Session | undefined): Promise<ServerStats> {
    return session?.roles.includes('superadmin') === true ? await this.all() : await this.#counting(false)
  }

  async #counting (withSystemBuckets: boolean): Promise<ServerStats> {
    const { options, connections, rules, trail, status } = this.#of
    const address = this.#of.address()
    const { port, address: host } =
      typeof address === 'object' && address !== null ? address : { port: null, address: null }
    const active = connections.size
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
      store: await this.#storeStats(withSystemBuckets),
      rules: await rules?.stats() ?? null,
      ...(trail !== undefined && { audit: trail.stats })
    }
  }

  /**
   * What `/stats` answers to a request, or the status and the reason of its refusal. Rejects when nobody can
   * tell.
   */
  async forHttp (request: IncomingRequest): Promise<ServerStats | HttpRefusal> {
    const admitted = await this.#of.httpAuthorizer.authorizeStats(request)
    return 'refused' in admitted ? admitted : await this.for(admitted.session)
  }

  /** The store's own, with the subscriptions that the store does not know of. */
  async #storeStats (withSystemBuckets: boolean): Promise<StoreStats | null> {
    const { options, sharedStore, connections, log } = this.#of
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
