import type { AddressInfo } from 'node:net'
import { LogGuard } from '../application/log-guard.js'
import { AuditTrail } from '../audit/trail.js'
import { HttpAuthorizer } from '../auth/http-authorizer.js'
import { Revocations } from '../auth/revocations.js'
import { Connections } from '../connection/connections.js'
import { dispatchWith } from '../connection/dispatch.js'
import { ConnectionList } from '../connection/connection-list.js'
import { EventStreams } from '../connection/event-streams.js'
import { RefusalLog } from '../connection/refusal-log.js'
import { KeyedRequests } from '../idempotency/keyed-requests.js'
import { PresenceService } from '../connection/presence-service.js'
import { RequestOriginResolver } from '../handshake/request-origin.js'
import { retainedHeaders } from '../handshake/retained-headers.js'
import { UpgradeAdmission } from '../handshake/upgrade-admission.js'
import { ConnectionQuota } from '../limits/connection-quota.js'
import { rejectionReasons } from '../limits/rejections.js'
import { Counters } from '../util/counters.js'
import { RequestLimiter } from '../limits/request-limiter.js'
import { Exposition } from '../metrics/exposition.js'
import { ProcessMetrics } from '../metrics/process-metrics.js'
import { RequestMetrics } from '../metrics/request-metrics.js'
import type { ServerContext } from '../operations/context.js'
import type { Operation } from '../operations/operation.js'
import { ownOperations } from '../operations/own-operations.js'
import { OperationRegistry, operations } from '../operations/registry.js'
import type { ResolvedOptions } from '../options/options.js'
import { Authorizer } from '../permissions/authorizer.js'
import { Procedures } from '../procedures/procedures.js'
import { DurabilityWatch, requireCompleteBuckets } from '../store/durability-watch.js'
import { FieldWarnings } from '../store/field-warnings.js'
import type { RequestHeaders } from '../protocol/session.js'
import { SharedStore } from '../store/shared-store.js'
import { isSystemBucket } from '../store/system-buckets.js'
import { LiveQueries } from '../subscriptions/live-queries.js'
import { QueryMetrics } from '../subscriptions/query-metrics.js'
import { QueryRunner } from '../subscriptions/query-runner.js'
import { RuleService } from '../subscriptions/rule-service.js'
import { systemClock, type Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { SlowLog } from '../util/slow-log.js'
import { MetricsCollector } from './metrics-collector.js'
import { OperatorActs } from './operator-acts.js'
import { SessionRevoker } from './session-revoker.js'
import { Shutdown } from './shutdown.js'
import { startCalls } from './start-calls.js'
import { rowRulesOf, startAuthentication } from './start-auth.js'
import { Statistics } from './stats.js'
import { ServiceStatus } from './status.js'

/** The environment of a service: its logger, the address of its server, and in tests its clock. */
export interface NoexEnvironment {
  readonly log: Log
  /** The address that the HTTP server listens on. */
  readonly address: () => AddressInfo | string | null
  readonly clock?: Clock
  /** Makes the loggers of requests safe. */
  readonly logGuard?: LogGuard
}

/** The running parts of a service. */
export type ServiceParts = Awaited<ReturnType<typeof startParts>>

/** A part that must be closed when a later one cannot be started. */
interface Closable {
  close: () => unknown
}

/**
 * Starts the parts of a service one after the other, each with those that it works with. Rejects with the
 * first error, and leaves nothing behind.
 */
export async function startParts (options: ResolvedOptions, environment: NoexEnvironment) {
  const started: Closable[] = []
  try {
    return await startAll(options, environment, started)
  } catch (error) {
    await Promise.allSettled(started.map(async part => { await part.close() }))
    throw error
  }
}

async function startAll (options: ResolvedOptions, environment: NoexEnvironment, started: Closable[]) {
  const { log, clock = systemClock, logGuard = new LogGuard() } = environment
  const { auth, connectionLimits, exposeErrorDetails, rateLimit } = options
  const rejections = new Counters(rejectionReasons)
  const revocations = revocationsOf(options, clock)
  const isRevoked = (userId: string): boolean => revocations.has(userId)
  const sharedStore = SharedStore.of(options.store)
  const own = ownOperations(options.operations, { timeoutMs: options.operationTimeoutMs, clock, log })

  const exposition = options.routes.metrics === false ? undefined : await Exposition.open()
  const requestMetrics = new RequestMetrics()
  const processMetrics = new ProcessMetrics(clock)
  started.push(processMetrics)
  // Nothing of it is loaded without the option.
  const membership = options.cluster &&
    await (await import('../cluster/membership.js')).Membership.join(options.cluster, options.store, log)
  if (membership !== undefined) started.push({ close: async () => { await membership.leave() } })
  const trail = options.audit && await AuditTrail.open(options.audit, log, clock)
  if (trail !== undefined) started.push(trail)
  await trail?.join(options.store)
  const authentication = await startAuthentication(auth, sharedStore, {
    log, clock, isRevoked, rejections, operations: [...operations.values()], ownOperations: own
  })
  const { required, requiresAuth, policy, authenticator, identity } = authentication
  if (identity !== undefined) started.push(identity)
  const procedures = await Procedures.open(sharedStore, options.procedures, { log, identity, operations })
  started.push(procedures)
  requireCompleteBuckets(options.store)

  const durability = new DurabilityWatch(sharedStore.store, log)
  const status = new ServiceStatus(clock, trail, durability)
  const queries = new QueryRunner(sharedStore, { timeoutMs: options.queryTimeoutMs, clock, log })
  const slowLog = new SlowLog({ slowMs: options.slowMs, log, clock })
  const queryMetrics = new QueryMetrics({ store: sharedStore.store, clock, slowLog })
  const liveQueries = new LiveQueries(sharedStore, {
    ...options, queries, metrics: queryMetrics, rejections, log, clock
  })
  const eventVisibility = { isHidden: (bucket: string) => isSystemBucket(bucket, sharedStore) }
  const rules = options.rules &&
    new RuleService(options.rules, eventVisibility, { timeoutMs: options.rulesTimeoutMs, clock, log })
  const fieldWarnings = new FieldWarnings(sharedStore, log, () => rowRulesOf(auth, identity))

  const gateway = auth?.mode === 'gateway' ? auth.gateway : undefined
  const originResolver = new RequestOriginResolver({ ...options, gateway, isRevoked })
  const connectionQuota = new ConnectionQuota(connectionLimits, requiresAuth, rejections)
  const upgradeAdmission = new UpgradeAdmission({
    ...options, originResolver, connectionQuota, rejections, requiresOrigin: gateway !== undefined
  })
  const headersToRetain = (headers: RequestHeaders): RequestHeaders =>
    retainedHeaders(headers, auth?.mode, options.allowedOrigins)
  const httpAuthorizer = new HttpAuthorizer({
    required,
    policy,
    authenticator,
    revocations,
    clock,
    rateLimit,
    scrapeToken: auth?.scrapeToken,
    addressOf: request => originResolver.addressOf(request),
    resolveOrigin: request => originResolver.resolve(request),
    retainedHeaders: headersToRetain
  })
  const authorizer = new Authorizer({
    required,
    policy,
    factsOf: name => sharedStore.queryFacts(name),
    store: sharedStore,
    subscribe: operations.get('store.subscribe') as Operation,
    subscribeToEvents: operations.get('rules.subscribe') as Operation,
    workBudget: options.workBudget,
    maxCommitChanges: options.maxCommitChanges
  })
  const presences = new PresenceService(options.presence, { sharedStore, trail, clock, log })
  const refusals = new RefusalLog(clock)
  const connections = new Connections(options, {
    log,
    clock,
    trail,
    requiresAuth,
    authorizer,
    authenticator,
    isRevoked,
    connectionQuota,
    liveQueries,
    rejections,
    refusals,
    presences
  })
  const statistics = new Statistics({
    options,
    sharedStore,
    connections,
    liveQueries,
    rules,
    trail,
    httpAuthorizer,
    status,
    durability,
    rejections,
    requestMetrics,
    processMetrics,
    log,
    address: environment.address
  })
  const registry = new OperationRegistry({
    mode: auth?.mode, hasAudit: trail !== undefined, hasRules: rules !== undefined, own
  })
  const acts = new OperatorActs({ connections, identity, revocations, trail })
  const server: ServerContext = {
    sharedStore,
    keyedRequests: KeyedRequests.of(options.store),
    idempotency: options.idempotency,
    authorizer,
    procedures,
    operations: registry,
    liveQueries,
    queries,
    rules,
    authenticator,
    identity,
    revocations,
    trail,
    clock,
    getStats: async session => await statistics.for(session),
    getStoreStats: async session => await statistics.storeFor(session),
    connectionList: new ConnectionList(connections, refusals, clock),
    refusals,
    acts
  }
  const limiter = rateLimit && new RequestLimiter(rateLimit, clock, rejections)
  const dispatchContext = {
    registry, authorizer, limiter, requestMetrics, slowLog, server, refusals, exposeErrorDetails
  }
  connections.start(dispatchWith(dispatchContext))
  const { calls, applicationCalls, httpCalls } = startCalls(options, {
    clock,
    log,
    logGuard,
    trail,
    rejections,
    refusals,
    connections,
    dispatchContext,
    httpAuthorizer,
    originResolver,
    retainedHeaders: headersToRetain,
    isBarred: userId => identity?.directory.user(userId)?.enabled === false
  })
  const sessionRevoker = new SessionRevoker({ calls, connections, identity, revocations, trail, log })
  const shutdown = new Shutdown(options.shutdown, {
    calls, connections, presences, upgradeAdmission, status, trail, membership, clock, log
  })
  acts.start(auth === undefined ? undefined : sessionRevoker, shutdown)
  const metricsCollector = exposition && new MetricsCollector(exposition, {
    connections,
    connectionLimit: connectionLimits.maxConnections,
    liveQueries,
    rules,
    trail,
    rejections,
    httpAuthorizer,
    durability,
    status,
    requestMetrics,
    processMetrics,
    storeStats: async () => await statistics.storeFor(undefined)
  })
  identity?.onChange(async ({ userId, rights }) => {
    if (rights) fieldWarnings.checkRules()
    await Promise.all([connections.onPermissionsChanged(userId), calls.onPermissionsChanged(userId)])
  })
  const streams = new EventStreams()
  liveQueries.start()
  fieldWarnings.start()
  durability.start()
  return {
    applicationCalls,
    calls,
    clock,
    connections,
    durability,
    fieldWarnings,
    httpCalls,
    identity,
    liveQueries,
    metricsCollector,
    originResolver,
    own,
    presences,
    procedures,
    processMetrics,
    refusals,
    revocations,
    rules,
    sessionRevoker,
    sharedStore,
    shutdown,
    statistics,
    status,
    streams,
    trail,
    upgradeAdmission
  }
}

/** Returns the revocations of the store's accounts, or of other users as far as this instance knows them. */
function revocationsOf ({ auth, store, revocation }: ResolvedOptions, clock: Clock): Revocations {
  const { blacklistTtlMs } = revocation
  return auth?.mode === 'builtIn'
    ? Revocations.of(store, blacklistTtlMs, clock)
    : new Revocations(blacklistTtlMs, clock)
}
