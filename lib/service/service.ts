import type { AddressInfo } from 'node:net'
import type { WebSocket } from 'ws'
import { RequestOriginResolver, type IncomingRequest } from '../handshake/request-origin.js'
import { checkAllowed } from '../auth/auth-options.js'
import { Authorizer } from '../permissions/authorizer.js'
import { retainedHeaders } from '../handshake/retained-headers.js'
import { HttpAuthorizer, type HttpRefusal } from '../auth/http-authorizer.js'
import { OperationNames } from '../permissions/operation-names.js'
import type { QueryFacts } from '../permissions/policy.js'
import { Revocations } from '../auth/revocations.js'
import type { RequestHeaders, Session } from '../protocol/session.js'
import { rowRulesOf, startAuthentication, type Authentication } from './start-auth.js'
import { systemClock, type Clock } from '../util/clock.js'
import {
  UpgradeAdmission,
  type AcceptedUpgrade,
  type UpgradeRefusal
} from '../handshake/upgrade-admission.js'
import { Connections } from '../connection/connections.js'
import { dispatch, type DispatchContext } from '../connection/dispatch.js'
import type { Upgrade } from '../handshake/upgrade.js'
import type { ConnectionInfo, ServerStats } from '../operations/server-info.js'
import type { Noex, NoexState } from '../types.js'
import { LiveQueries } from '../subscriptions/live-queries.js'
import { QueryRunner } from '../subscriptions/query-runner.js'
import type { Log } from '../util/log.js'
import { Drain } from '../lifecycle/drain.js'
import { ConnectionAudit } from '../audit/connection-audit.js'
import { AuditTrail } from '../audit/trail.js'
import { closeReasons, REVOKED_REASON } from '../protocol/close-codes.js'
import { OperationRegistry, operations } from '../operations/registry.js'
import { accessesRecords, type Operation, type ServerContext } from '../operations/operation.js'
import { checkDrainOptions, type DrainOptions } from '../lifecycle/shutdown-options.js'
import { ConnectionQuota } from '../limits/connection-quota.js'
import { checkCosts } from '../limits/rate-limit-options.js'
import { Rejections } from '../limits/rejections.js'
import { RequestLimiter } from '../limits/request-limiter.js'
import { Metrics } from '../metrics/metrics.js'
import { MetricsCollector, type MetricsText } from './metrics-collector.js'
import { adviseOnNames } from '../deployment/name-advice.js'
import type { ResolvedOptions } from '../options/options.js'
import { Procedures } from '../procedures/procedures.js'
import { RuleService } from '../subscriptions/rule-service.js'
import { DurabilityWatch, requireCompleteBuckets } from '../store/durability-watch.js'
import { FieldWarnings } from '../store/field-warnings.js'
import { SharedStore } from '../store/shared-store.js'
import { Statistics } from './stats.js'
import { isSystemBucket } from '../store/system-buckets.js'
import { withTimeout } from '../util/with-timeout.js'

/** Where the service runs. */
export interface NoexEnvironment {
  readonly log: Log
  /** The address that the HTTP server listens on. */
  readonly address: () => AddressInfo | string | null
  readonly clock?: Clock
}

/** What is started before a service is made. */
interface Parts {
  readonly clock: Clock
  readonly revocations: Revocations
  readonly authentication: Authentication
  readonly trail: AuditTrail | undefined
  readonly procedures: Procedures
  readonly metrics: Metrics | undefined
  readonly rejections: Rejections
}

/** Why clients should be sent elsewhere. */
export interface NotReadyReason {
  readonly status: 'draining' | 'audit_unavailable' | 'store_unavailable'
  readonly reason?: string
}

/** Time for which names are compared before the service is ready without that, in milliseconds. */
const ADVICE_TIMEOUT_MS = 1_000

/** The running service: owns the parts, starts and stops them in order. */
export class NoexService implements Noex {
  readonly #options: ResolvedOptions
  readonly #environment: NoexEnvironment
  readonly #clock: Clock
  readonly #sharedStore: SharedStore
  readonly #liveQueries: LiveQueries
  readonly #rules: RuleService | undefined
  readonly #connections: Connections
  readonly #originResolver: RequestOriginResolver
  readonly #admissions: UpgradeAdmission
  readonly #statistics: Statistics
  readonly #metricsCollector: MetricsCollector | undefined
  readonly #authentication: Authentication
  readonly #revocations: Revocations
  readonly #trail: AuditTrail | undefined
  readonly #procedures: Procedures
  readonly #fieldWarnings: FieldWarnings
  readonly #durability: DurabilityWatch
  readonly #startedAt: number
  #state: NoexState = 'serving'
  #drain: Drain | undefined
  #closed: Promise<void> | undefined

  private constructor (
    options: ResolvedOptions,
    environment: NoexEnvironment,
    sharedStore: SharedStore,
    { clock, revocations, authentication, trail, procedures, metrics, rejections }: Parts
  ) {
    this.#options = options
    this.#environment = environment
    this.#clock = clock
    this.#startedAt = clock.ticks()
    this.#sharedStore = sharedStore
    const { log } = environment
    const queries = new QueryRunner(sharedStore, { timeoutMs: options.queryTimeoutMs, clock, log })
    this.#durability = new DurabilityWatch(sharedStore.store, log)
    this.#liveQueries = new LiveQueries(sharedStore, { queries, log, clock, workBudget: options.workBudget })
    this.#authentication = authentication
    this.#revocations = revocations
    this.#trail = trail
    this.#procedures = procedures
    const isRevoked = (userId: string): boolean => revocations.has(userId)
    const gateway = options.auth?.mode === 'gateway' ? options.auth.gateway : undefined
    this.#originResolver = new RequestOriginResolver({ ...options, gateway, isRevoked })
    const { required, requiresAuth, policy, authenticator, identity } = authentication
    const connectionQuota = new ConnectionQuota(options.connectionLimits, requiresAuth, rejections)
    this.#admissions = new UpgradeAdmission({
      ...options,
      originResolver: this.#originResolver,
      connectionQuota,
      rejections,
      requiresOrigin: gateway !== undefined
    })
    const httpAuthorizer = new HttpAuthorizer({
      required,
      policy,
      authenticator,
      isRevoked,
      clock,
      rateLimit: options.rateLimit,
      resolveOrigin: request => this.#originResolver.resolve(request),
      retainedHeaders: headers => this.retainedHeaders(headers)
    })
    const visibility = { isHidden: (bucket: string) => isSystemBucket(bucket, sharedStore) }
    this.#rules = options.rules && new RuleService(options.rules, visibility, {
      timeoutMs: options.rulesTimeoutMs,
      clock,
      log: environment.log
    })
    const [subscribe, subscribeToEvents] = ['store.subscribe', 'rules.subscribe'].map(name =>
      operations.get(name)
    ) as [Operation, Operation]
    const { workBudget, maxCommitChanges } = options
    const factsOf = (name: string): QueryFacts => sharedStore.queryFacts(name)
    const authorizer = new Authorizer({
      required,
      policy,
      authenticator,
      isRevoked,
      factsOf,
      store: sharedStore,
      subscribe,
      subscribeToEvents,
      workBudget,
      maxCommitChanges
    })
    const services: ServerContext = {
      sharedStore,
      authorizer,
      procedures,
      liveQueries: this.#liveQueries,
      queries,
      rules: this.#rules,
      authenticator,
      identity,
      revocations,
      trail,
      clock,
      getStats: async session => await this.#statistics.for(session),
      getConnections: () => this.getConnections()
    }
    const { exposeErrorDetails } = options
    const registry = new OperationRegistry({
      mode: options.auth?.mode,
      hasAudit: trail !== undefined,
      hasRules: options.rules !== undefined
    })
    const limiter = options.rateLimit && new RequestLimiter(options.rateLimit, clock, rejections)
    const to: DispatchContext = {
      registry,
      authorizer,
      limiter,
      requestMetrics: metrics?.requests,
      services,
      exposeErrorDetails
    }
    this.#connections = new Connections(
      options,
      environment.log,
      clock,
      { requiresAuth, authorizer, connectionQuota, rejections, audit: trail && new ConnectionAudit(trail) },
      (text, connection) => dispatch(text, connection, to)
    )
    this.#statistics = new Statistics({
      options,
      sharedStore,
      connections: this.#connections,
      rules: this.#rules,
      trail,
      httpAuthorizer,
      address: environment.address,
      uptimeMs: () => this.uptimeMs,
      log: environment.log
    })
    this.#metricsCollector = metrics && new MetricsCollector(metrics, {
      connections: this.#connections,
      liveQueries: this.#liveQueries,
      rules: this.#rules,
      trail,
      rejections,
      httpAuthorizer,
      durability: this.#durability,
      service: this
    })
    this.#fieldWarnings = new FieldWarnings(sharedStore, environment.log, () =>
      rowRulesOf(options.auth, identity)
    )
    identity?.onChange(async ({ userId, rights }) => {
      if (rights) this.#fieldWarnings.checkRules()
      await this.#connections.onPermissionsChanged(userId)
    })
  }

  /** Starts a service on a store that is running; `close` ends it. */
  static async start (options: ResolvedOptions, environment: NoexEnvironment): Promise<NoexService> {
    const known = new OperationNames(operations.keys())
    checkCosts(options.rateLimit, known)
    checkAllowed(options.auth, known)
    const { log, clock = systemClock } = environment
    const rejections = new Rejections()
    const { blacklistTtlMs } = options.revocation
    // Accounts are the store's, and so is who of them is revoked; other users are known to this instance
    // only.
    const revocations =
      options.auth?.mode === 'builtIn'
        ? Revocations.of(options.store, blacklistTtlMs, clock)
        : new Revocations(blacklistTtlMs, clock)
    const sharedStore = SharedStore.of(options.store)
    let authentication: Authentication | undefined
    let trail: AuditTrail | undefined
    let procedures: Procedures | undefined
    let metrics: Metrics | undefined
    try {
      metrics = options.routes.metrics === false ? undefined : await Metrics.open(clock)
      trail = options.audit && await AuditTrail.open(options.audit, log, clock)
      await trail?.join(options.store)
      const isRevoked = (userId: string): boolean => revocations.has(userId)
      authentication = await startAuthentication(options.auth, sharedStore, {
        log,
        clock,
        isRevoked,
        rejections,
        operations: [...operations.values()]
      })
      procedures = await Procedures.open(sharedStore, options.procedures, {
        log,
        identity: authentication.identity,
        operations
      })
      requireCompleteBuckets(options.store)
      const service = new NoexService(options, environment, sharedStore, {
        clock,
        revocations,
        authentication,
        trail,
        procedures,
        metrics,
        rejections
      })
      service.#liveQueries.start()
      service.#fieldWarnings.start()
      service.#durability.start()
      return service
    } catch (error) {
      // The first error is the one to know of.
      await Promise.allSettled([
        metrics?.close(),
        procedures?.close(),
        authentication?.identity?.close(),
        trail?.close()
      ])
      throw error
    }
  }

  /**
   * Warns of names in permissions and procedures that mean nothing so far. To be called when the application
   * has defined what it defines before it serves. Resolves within a second; rejects when the store or the
   * rule engine cannot be asked.
   */
  async adviseOnNames (): Promise<void> {
    await withTimeout(ADVICE_TIMEOUT_MS, this.#adviseOnNames(), this.#clock)
  }

  async #adviseOnNames (): Promise<void> {
    adviseOnNames({
      options: this.#options,
      operations: operations.keys(),
      recordOperations: [...operations.values()].filter(accessesRecords).map(({ name }) => name),
      bucketNames: this.#sharedStore.bucketNames(),
      topics: await this.#rules?.triggers() ?? [],
      identity: this.#authentication.identity
    }, this.#environment.log)
  }

  get state (): NoexState {
    return this.#state
  }

  get connectionCount (): number {
    return this.#connections.size
  }

  get uptimeMs (): number {
    return Math.round(this.#clock.ticks() - this.#startedAt)
  }

  /** Lets an upgrade in: tells where it comes from, and in gateway mode from whom. Or tells why not. */
  admit (request: IncomingRequest): AcceptedUpgrade | UpgradeRefusal {
    return this.#admissions.admit(request)
  }

  /** Why clients should be sent elsewhere; `undefined` when they should not. */
  get notReady (): NotReadyReason | undefined {
    if (this.#state !== 'serving') return { status: 'draining' }
    const reason = this.#trail?.problem
    if (reason !== undefined) return { status: 'audit_unavailable', reason }
    return this.#durability.isUnavailable ? { status: 'store_unavailable' } : undefined
  }

  /** Returns the address of the client behind a request, also of one that is refused. */
  addressOf (request: IncomingRequest): string {
    return this.#originResolver.addressOf(request)
  }

  /** Records that an upgrade from an address is refused. `log` is the request's logger. */
  recordRefusal (remoteAddress: string, reason: string, log: Log): void {
    this.#trail?.note({ operation: 'connection.refuse', error: reason, remoteAddress }, log)
  }

  /** What of the headers of an upgrade is kept as long as the connection. */
  retainedHeaders (headers: RequestHeaders): RequestHeaders {
    const { auth, allowedOrigins } = this.#options
    return retainedHeaders(headers, auth?.mode, allowedOrigins)
  }

  /** Takes over a WebSocket in the tick in which it opens, and the place of its admission. */
  accept (ws: WebSocket, upgrade: Upgrade): void {
    const connection = this.#connections.accept(ws, upgrade)
    // The upgrade was let in before the drain or a revocation, and has only now come through.
    if (this.#admissions.isClosed) connection.close(closeReasons.serverShutdown)
    else if (upgrade.session !== undefined && this.#revocations.has(upgrade.session.userId)) {
      connection.revoke(REVOKED_REASON)
    }
  }

  async getStats (): Promise<ServerStats> {
    return await this.#statistics.all()
  }

  getConnections (): ConnectionInfo[] {
    return this.#connections.infos
  }

  revokeSession (userId: string): number {
    if (typeof userId !== 'string' || userId === '') {
      throw new TypeError('revokeSession: userId must be a non-empty text')
    }
    this.#requireAuth()
    // Whether or not the user is here at the moment.
    this.#revocations.add(userId)
    return this.revokeSessions({ userId })
  }

  revokeSessions (filter: { userId?: string, role?: string }): number {
    for (const [name, value] of Object.entries(filter)) {
      // A member that is there by mistake without a value would match everybody.
      if (!['userId', 'role'].includes(name) || typeof value !== 'string' || value === '') {
        throw new TypeError(`revokeSessions: ${name} must be a non-empty text`)
      }
    }
    this.#requireAuth()
    const { userId, role } = filter
    const { identity } = this.#authentication
    const matches = (session: Pick<Session, 'userId' | 'roles'>): boolean =>
      (userId === undefined || session.userId === userId) &&
      (role === undefined || session.roles.includes(role))
    const { users, connections } = this.#connections.revoke(matches, REVOKED_REASON)
    for (const user of new Set([...users, ...identity?.usersWithSessions(matches) ?? []])) {
      this.#revocations.add(user)
      identity?.endSessionsOf(user)
      this.#trail?.note({ operation: 'session.revoke', resource: `user:${user}` })
    }
    this.#environment.log.info({ userId, role, connections }, 'sessions revoked')
    return connections
  }

  #requireAuth (): void {
    if (this.#options.auth === undefined) {
      throw new Error('there are no sessions to revoke: the option auth is not set')
    }
  }

  /**
   * What `/stats` answers to a request, or the status and the reason of its refusal. Rejects when nobody can
   * tell.
   */
  async statsForHttp (request: IncomingRequest): Promise<ServerStats | HttpRefusal> {
    return await this.#statistics.forHttp(request)
  }

  /**
   * What `/metrics` answers to a request, or the status and the reason of its refusal. Rejects when nobody
   * can tell. Only with `routes.metrics`.
   */
  async metricsForHttp (request: IncomingRequest): Promise<MetricsText | HttpRefusal> {
    return await (this.#metricsCollector as MetricsCollector).forHttp(request)
  }

  async drain (options: DrainOptions = {}): Promise<void> {
    checkDrainOptions(options)
    const {
      gracePeriodMs = this.#options.shutdown.gracePeriodMs,
      drainDelayMs = this.#options.shutdown.drainDelayMs
    } = options
    if (this.#drain === undefined) {
      if (this.#state === 'serving') this.#state = 'draining'
      this.#environment.log.info(
        { drainDelayMs, gracePeriodMs, connections: this.#connections.size },
        'draining'
      )
      this.#trail?.note({
        operation: 'server.drain',
        details: { drainDelayMs, gracePeriodMs, connections: this.#connections.size }
      })
      const { reconnectWindowMs } = this.#options.shutdown
      this.#drain = new Drain({ drainDelayMs, gracePeriodMs, reconnectWindowMs }, {
        connections: this.#connections,
        clock: this.#clock,
        stopAccepting: () => { this.#admissions.close() }
      })
    }
    await this.#drain.ended
  }

  /** Drains, then releases everything that the service holds. The store goes on: it is the application's. */
  async close (): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close (): Promise<void> {
    // Whoever closes the server serves nobody any more: there is nothing to wait for before the clients are
    // told.
    this.#drain?.skipDelay()
    await this.drain({ drainDelayMs: 0 })
    this.#state = 'closed'
    this.#connections.stop()
    this.#rules?.stop()
    this.#fieldWarnings.stop()
    this.#durability.stop()
    const ended = await Promise.allSettled([
      this.#metricsCollector?.close(),
      this.#procedures.close(),
      this.#authentication.identity?.close(),
      this.#liveQueries.stop(),
      this.#trail?.close()
    ])
    for (const part of ended) if (part.status === 'rejected') throw part.reason
  }
}
