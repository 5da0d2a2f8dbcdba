import type { FastifyHelmetOptions } from '@fastify/helmet'
import { resolveAuth, type AuthOptions, type ResolvedAuth } from '../auth/auth-options.js'
import { resolveAudit, type AuditOptions, type ResolvedAudit } from '../audit/audit-options.js'
import { optionChecks, checkTogether } from './allowed-options.js'
import type { ConnectionLimits } from '../limits/connection-quota.js'
import {
  resolveRateLimit,
  type RateLimitOptions,
  type ResolvedRateLimit
} from '../limits/rate-limit-options.js'
import { checkGroup, merge, NoexOptionsError } from '../util/option-schema.js'
import {
  resolveProcedures,
  type ProcedureOptions,
  type ResolvedProcedures
} from '../procedures/procedure-options.js'
import type { RuleEngine } from '../rules/rule-engine.js'
import type { NoexStore } from '../store/noex-store.js'

/** What `app.register(noexPlugin, options)` takes. Durations are milliseconds, sizes are bytes. */
export interface NoexOptions {
  /** The store to serve, from `Store.start()`. It stays the application's: the plugin never stops it. */
  store: NoexStore
  /**
   * The rule engine of the operations `rules.*`, from `RuleEngine.start()` of `fastify-noex/rules` or of
   * another `@hamicek/noex-rules`. It stays the application's too. @default none
   */
  rules?: RuleEngine | undefined
  /**
   * Milliseconds that the rule engine has to answer a request; then the client gets an `INTERNAL_ERROR`,
   * though the engine may still do as it was asked.
   * @default 30_000
   */
  rulesTimeoutMs?: number | undefined
  /**
   * The path of the WebSocket, below `prefix`.
   * @default '/'
   */
  path?: string | undefined
  /**
   * Stands before `path` and the paths of `routes`, behind the prefix of the enclosing scope.
   * @default ''
   */
  prefix?: string
  /**
   * Names this instance in `/stats`.
   * @default 'noex-server'
   */
  name?: string | undefined
  /** Paths of the HTTP routes, each `false` to leave it away. */
  routes?: {
    /** @default '/healthz' */
    healthz?: string | false | undefined
    /** @default '/stats' */
    stats?: string | false | undefined
    /** The metrics in the text format of Prometheus. Needs the package `prom-client`. @default false */
    metrics?: string | false | undefined
    /** Whether the process lives; 200 as long as it answers. @default '/livez' */
    livez?: string | false | undefined
    /** The same as `healthz`, under the name that orchestrators have for it. @default '/readyz' */
    readyz?: string | false | undefined
  } | undefined
  /**
   * Options of `@fastify/helmet` for the HTTP routes, or `false` to serve them without it.
   * Where the application has registered helmet already, they are added to its own for these routes.
   * @default {}
   */
  helmet?: FastifyHelmetOptions | false | undefined
  /**
   * The largest frame that a client may send. A larger one closes the connection with 1009.
   * @default 1_048_576
   */
  maxPayloadBytes?: number | undefined
  heartbeat?: {
    /**
     * Time between two pings.
     * @default 30_000
     */
    intervalMs?: number | undefined
    /**
     * Time that a client has to answer a ping. No shorter than this and no longer than `intervalMs`.
     * @default 10_000
     */
    timeoutMs?: number | undefined
  } | undefined
  backpressure?: {
    /**
     * Bytes that may wait for one client. Above it nothing more is read from that client.
     * @default 1_048_576
     */
    maxBufferedBytes?: number | undefined
    /**
     * Share of `maxBufferedBytes` above which pushes wait: the client gets the newest state once it has
     * drained. More than 0, at most 1.
     * @default 0.8
     */
    highWaterMark?: number | undefined
    /**
     * Time that a client may stay above the mark before it is closed with 1013.
     * @default 4_000
     */
    drainTimeoutMs?: number | undefined
  } | undefined
  connectionLimits?: {
    /**
     * Subscriptions of one connection.
     * @default 100
     */
    maxSubscriptionsPerConnection?: number | undefined
    /**
     * Subscriptions of all connections together.
     * @default 10_000
     */
    maxTotalSubscriptions?: number | undefined
    /**
     * Connections at a time. One more is refused with 503.
     * @default unlimited
     */
    maxConnections?: number | undefined
    /**
     * Connections of one user at a time. A login on one more is answered with `RATE_LIMITED`, or an upgrade
     * with 429 where a gateway names the user.
     * @default unlimited
     */
    maxConnectionsPerUser?: number | undefined
    /**
     * Connections at a time that must log in and have not. One more is refused with 503.
     * @default 10_000
     */
    maxUnauthenticatedConnections?: number | undefined
    /**
     * The largest frame that a client may send before it logs in for the first time on its connection, where
     * a login is required; at most `maxPayloadBytes` counts. A larger one closes the connection with 1009. It
     * must have room for a login.
     * @default 32_768
     */
    maxUnauthenticatedPayloadBytes?: number | undefined
  } | undefined
  /**
   * Work that one request may take: records that are looked at × conditions that each is compared with.
   * A transaction and a call of a procedure count as one request. What would take more is refused with
   * `VALIDATION_ERROR`.
   * @default 50_000_000
   */
  workBudget?: number | undefined
  /**
   * Records that one request may change at once, those that a delete takes with it included: the store does
   * it in one step, in which nothing else runs. More are refused with `VALIDATION_ERROR`. `store.clear` has
   * no such limit. An application that writes to the store itself has none either.
   * @default 10_000
   */
  maxCommitChanges?: number | undefined
  /**
   * Time that a client has to log in, after it has connected and after it has logged out, where a login is
   * required. After it the connection is closed with 1008.
   * @default 60_000
   */
  loginTimeoutMs?: number | undefined
  /**
   * How much a user, or an address on which nobody is logged in, may ask for. What is above it gets
   * `RATE_LIMITED`.
   * @default unlimited
   */
  rateLimit?: RateLimitOptions | undefined
  /**
   * Who may connect and do what: tokens that the application validates, the identity headers of a gateway, or
   * built-in accounts. Without it, everybody may do everything.
   * @default none
   */
  auth?: AuthOptions | undefined
  /**
   * Records who did what, for `audit.query`, the log, and the sinks of `fastify-noex/audit`.
   * @default none
   */
  audit?: AuditOptions | undefined
  /**
   * Time that a client waits for a query that the application has defined in code. What it returns later is
   * dropped. An hour at most.
   * @default 30_000
   */
  queryTimeoutMs?: number | undefined
  /** How much stored procedures may be, and those of the application itself. */
  procedures?: ProcedureOptions | undefined
  revocation?: {
    /**
     * Time for which a revoked user cannot log in.
     * @default 3_600_000
     */
    blacklistTtlMs?: number | undefined
  } | undefined
  /**
   * The header in which a proxy says which address a client has, for instance `X-Real-IP`. It counts from the
   * peers in `trustedProxies` only. Instead of it, Fastify's `trustProxy` can say what `request.ip` is.
   * @default `request.ip`
   */
  realIpHeader?: string | undefined
  /**
   * Addresses and networks (CIDR) of the proxies that set `realIpHeader`.
   * @default nobody
   */
  trustedProxies?: readonly string[] | undefined
  /**
   * Connections of one client address. One more is closed with 4003.
   * @default unlimited
   */
  maxConnectionsPerIp?: number | undefined
  /**
   * Values of the `Origin` header that may connect, compared byte by byte; others get 403, and so does who
   * sends several. A client that sends no `Origin` is no browser and passes, except with `auth.gateway`.
   * @default every origin
   */
  allowedOrigins?: readonly string[] | undefined
  /**
   * Whether error replies carry `details`, with values of records. Messages name the fields in any case.
   * @default true
   */
  exposeErrorDetails?: boolean | undefined
  shutdown?: {
    /**
     * Time that `app.close()` gives clients to leave by themselves. With 0 they are closed at once.
     * @default 0
     */
    gracePeriodMs?: number | undefined
    /**
     * Time for which `drain()` goes on serving everybody, new clients too, while `/healthz` answers 503
     * already: load balancers need it to notice. `app.close()` by itself does not wait: nobody is served
     * then.
     * @default 0
     */
    drainDelayMs?: number | undefined
    /**
     * Time over which the clients are told to come back, so that they do not all at the same moment.
     * @default 5_000
     */
    reconnectWindowMs?: number | undefined
  } | undefined
}

/** Options with every default filled in, and checked. */
export interface ResolvedOptions {
  readonly store: NoexStore
  readonly path: string
  readonly prefix: string
  readonly name: string
  readonly routes: {
    readonly healthz: string | false
    readonly readyz: string | false
    readonly livez: string | false
    readonly stats: string | false
    readonly metrics: string | false
  }
  readonly helmet: FastifyHelmetOptions | false
  readonly maxPayloadBytes: number
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number }
  readonly backpressure: {
    readonly maxBufferedBytes: number
    readonly highWaterMark: number
    readonly drainTimeoutMs: number
  }
  readonly connectionLimits: ConnectionLimits & {
    readonly maxSubscriptionsPerConnection: number
    readonly maxTotalSubscriptions: number
    readonly maxUnauthenticatedPayloadBytes: number
  }
  readonly workBudget: number
  readonly maxCommitChanges: number
  readonly loginTimeoutMs: number
  readonly rateLimit: ResolvedRateLimit | undefined
  readonly maxConnectionsPerIp: number
  readonly allowedOrigins: readonly string[] | undefined
  readonly realIpHeader: string | undefined
  readonly trustedProxies: readonly string[] | undefined
  readonly rules: RuleEngine | undefined
  readonly rulesTimeoutMs: number
  readonly auth: ResolvedAuth | undefined
  readonly audit: ResolvedAudit | undefined
  readonly queryTimeoutMs: number
  readonly procedures: ResolvedProcedures
  readonly revocation: { readonly blacklistTtlMs: number }
  readonly exposeErrorDetails: boolean
  readonly shutdown: {
    readonly gracePeriodMs: number
    readonly drainDelayMs: number
    readonly reconnectWindowMs: number
  }
}

const defaults: Omit<ResolvedOptions, 'store'> = {
  path: '/',
  prefix: '',
  name: 'noex-server',
  routes: { healthz: '/healthz', readyz: '/readyz', livez: '/livez', stats: '/stats', metrics: false },
  helmet: {},
  maxPayloadBytes: 1_048_576,
  heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
  backpressure: { maxBufferedBytes: 1_048_576, highWaterMark: 0.8, drainTimeoutMs: 4_000 },
  connectionLimits: {
    maxSubscriptionsPerConnection: 100,
    maxTotalSubscriptions: 10_000,
    maxConnections: Infinity,
    maxConnectionsPerUser: Infinity,
    maxUnauthenticatedConnections: 10_000,
    maxUnauthenticatedPayloadBytes: 32_768
  },
  workBudget: 50_000_000,
  maxCommitChanges: 10_000,
  loginTimeoutMs: 60_000,
  rateLimit: undefined,
  maxConnectionsPerIp: Infinity,
  allowedOrigins: undefined,
  realIpHeader: undefined,
  trustedProxies: undefined,
  rules: undefined,
  rulesTimeoutMs: 30_000,
  auth: undefined,
  audit: undefined,
  queryTimeoutMs: 30_000,
  procedures: resolveProcedures(undefined),
  revocation: { blacklistTtlMs: 3_600_000 },
  exposeErrorDetails: true,
  shutdown: { gracePeriodMs: 0, drainDelayMs: 0, reconnectWindowMs: 5_000 }
}

/** Fastify's own options of `register`: plugin.ts hands them to the scopes of the routes. */
const ofFastify = ['logLevel', 'logSerializers']

/**
 * Checks the options and fills in the defaults. The given object is not changed; `undefined` counts as
 * absent.
 * @throws {NoexOptionsError} at the first option that is unknown or out of bounds.
 */
export function resolveOptions (options: NoexOptions): ResolvedOptions {
  const entries = Object.entries(options).filter(
    ([name, value]) => value !== undefined && !ofFastify.includes(name)
  )
  const given: Record<string, unknown> = Object.fromEntries(entries)
  checkGroup(given, optionChecks, '')
  if (!('store' in given)) {
    throw new NoexOptionsError('store', 'is required: pass the result of Store.start()')
  }
  const resolved = {
    ...merge(defaults, given, optionChecks),
    auth: resolveAuth(given['auth']),
    audit: resolveAudit(given['audit']),
    procedures: resolveProcedures(given['procedures']),
    rateLimit: resolveRateLimit(given['rateLimit'])
  } as unknown as ResolvedOptions
  checkTogether(resolved)
  return resolved
}
