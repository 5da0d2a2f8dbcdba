import type { FastifyHelmetOptions } from '@fastify/helmet'
import { resolveAuth, type AuthOptions, type ResolvedAuth } from './access/auth-options.js'
import { resolveAudit, type AuditOptions, type ResolvedAudit } from './audit/audit-options.js'
import { checkHeaderName, reducedName } from './access/raw-headers.js'
import { trustedPeers } from './access/trusted-peers.js'
import { closeTimeoutMs, inFlightTimeoutMs } from './deadlines.js'
import { checkGroup, isBoolean, isInteger, isPath, isPathOrFalse, isPlainObject, isPrefix, isText, isTextArray, MAX_TIMER_MS, merge, NoexOptionsError, type Checks } from './option-checks.js'
import { resolveProcedures, type ProcedureOptions, type ResolvedProcedures } from './procedures/procedure-options.js'
import { ruleEngineMethods, type RuleEngine } from './rules/rule-engine.js'
import { storeMethods, type NoexStore } from './store/noex-store.js'

/** What `app.register(noexPlugin, options)` takes. Durations are milliseconds, sizes are bytes. */
export interface NoexOptions {
  /** The store to serve, from `Store.start()`. It stays the application's: the plugin never stops it. */
  store: NoexStore
  /**
   * The rule engine of the operations `rules.*`, from `RuleEngine.start()` of `fastify-noex/rules` or of another
   * `@hamicek/noex-rules`. It stays the application's too. @default none
   */
  rules?: RuleEngine | undefined
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
     * Share of `maxBufferedBytes` above which pushes wait: the client gets the newest state once it has drained.
     * More than 0, at most 1.
     * @default 0.8
     */
    highWaterMark?: number | undefined
    /**
     * Time that a client may stay above the mark before it is closed with 1013.
     * @default 5_000
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
  } | undefined
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
   * The header in which a proxy says which address a client has, for instance `X-Real-IP`. It counts from the peers in
   * `trustedProxies` only. Instead of it, Fastify's `trustProxy` can say what `request.ip` is.
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
   * Values of the `Origin` header that may connect, compared byte by byte; others get 403.
   * A client that sends no `Origin` is no browser and passes.
   * @default every origin
   */
  allowedOrigins?: readonly string[] | undefined
  /**
   * Whether error replies carry `details`.
   * @default true
   */
  exposeErrorDetails?: boolean | undefined
  shutdown?: {
    /**
     * Time that `app.close()` gives clients to leave by themselves. With 0 they are closed at once.
     * @default 0
     */
    gracePeriodMs?: number | undefined
  } | undefined
}

/** Options with every default filled in, and checked. */
export interface ResolvedOptions {
  readonly store: NoexStore
  readonly path: string
  readonly prefix: string
  readonly name: string
  readonly routes: { readonly healthz: string | false, readonly stats: string | false }
  readonly helmet: FastifyHelmetOptions | false
  readonly maxPayloadBytes: number
  readonly heartbeat: { readonly intervalMs: number, readonly timeoutMs: number }
  readonly backpressure: { readonly maxBufferedBytes: number, readonly highWaterMark: number, readonly drainTimeoutMs: number }
  readonly connectionLimits: { readonly maxSubscriptionsPerConnection: number, readonly maxTotalSubscriptions: number }
  readonly maxConnectionsPerIp: number
  readonly allowedOrigins: readonly string[] | undefined
  readonly realIpHeader: string | undefined
  readonly trustedProxies: readonly string[] | undefined
  readonly rules: RuleEngine | undefined
  readonly auth: ResolvedAuth | undefined
  readonly audit: ResolvedAudit | undefined
  readonly procedures: ResolvedProcedures
  readonly revocation: { readonly blacklistTtlMs: number }
  readonly exposeErrorDetails: boolean
  readonly shutdown: { readonly gracePeriodMs: number }
}

const defaults: Omit<ResolvedOptions, 'store'> = {
  path: '/',
  prefix: '',
  name: 'noex-server',
  routes: { healthz: '/healthz', stats: '/stats' },
  helmet: {},
  maxPayloadBytes: 1_048_576,
  heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 },
  backpressure: { maxBufferedBytes: 1_048_576, highWaterMark: 0.8, drainTimeoutMs: 5_000 },
  connectionLimits: { maxSubscriptionsPerConnection: 100, maxTotalSubscriptions: 10_000 },
  maxConnectionsPerIp: Infinity,
  allowedOrigins: undefined,
  realIpHeader: undefined,
  trustedProxies: undefined,
  rules: undefined,
  auth: undefined,
  audit: undefined,
  procedures: resolveProcedures(undefined),
  revocation: { blacklistTtlMs: 3_600_000 },
  exposeErrorDetails: true,
  shutdown: { gracePeriodMs: 0 }
}

/** What the top level may have. `auth`, `audit` and `procedures` are checked where they are resolved. */
const checks: Checks = {
  store: isStore,
  rules: isRuleEngine,
  auth: () => {},
  audit: () => {},
  procedures: () => {},
  path: isPath,
  prefix: isPrefix,
  name: isText,
  routes: { healthz: isPathOrFalse, stats: isPathOrFalse },
  helmet: isObjectOrFalse,
  maxPayloadBytes: isInteger(1, 2 ** 31 - 1),
  heartbeat: { intervalMs: isInteger(1, MAX_TIMER_MS), timeoutMs: isInteger(1, MAX_TIMER_MS) },
  backpressure: {
    maxBufferedBytes: isInteger(1, Number.MAX_SAFE_INTEGER),
    highWaterMark: isShare,
    drainTimeoutMs: isInteger(1, MAX_TIMER_MS)
  },
  connectionLimits: {
    maxSubscriptionsPerConnection: isInteger(0, Number.MAX_SAFE_INTEGER),
    maxTotalSubscriptions: isInteger(0, Number.MAX_SAFE_INTEGER)
  },
  maxConnectionsPerIp: isInteger(1, Number.MAX_SAFE_INTEGER),
  allowedOrigins: isTextArray,
  realIpHeader: checkHeaderName,
  trustedProxies: (value, path) => { trustedPeers(value as string[], path) },
  revocation: { blacklistTtlMs: isInteger(1, Number.MAX_SAFE_INTEGER) },
  exposeErrorDetails: isBoolean,
  shutdown: { gracePeriodMs: isGracePeriod }
}

/** Parts of the product that this version does not have. Accepting their options would promise what is not kept. */
const notBuilt = ['rateLimit', 'loginTimeoutMs']

/** Fastify's own options of `register`: plugin.ts hands them to the scopes of the routes. */
const ofFastify = ['logLevel', 'logSerializers']

/**
 * Checks the options and fills in the defaults. The given object is not changed; `undefined` counts as absent.
 * @throws {NoexOptionsError} at the first option that is unknown, not built or out of bounds.
 */
export function resolveOptions (options: NoexOptions): ResolvedOptions {
  const entries = Object.entries(options).filter(([name, value]) => value !== undefined && !ofFastify.includes(name))
  const given: Record<string, unknown> = Object.fromEntries(entries)
  const missing = notBuilt.find(name => name in given)
  if (missing !== undefined) throw new NoexOptionsError(missing, 'belongs to a feature that this version does not have')
  checkGroup(given, checks, '')
  if (!('store' in given)) throw new NoexOptionsError('store', 'is required: pass the result of Store.start()')
  const resolved = { ...merge(defaults, given, checks), auth: resolveAuth(given['auth']), audit: resolveAudit(given['audit']), procedures: resolveProcedures(given['procedures']) } as unknown as ResolvedOptions
  checkTogether(resolved)
  return resolved
}

/** What is right by itself, but not beside the others. */
function checkTogether ({ auth, allowedOrigins, realIpHeader, trustedProxies }: ResolvedOptions): void {
  if (realIpHeader !== undefined && trustedProxies === undefined) {
    throw new NoexOptionsError('trustedProxies', 'is required with realIpHeader: without it, every client could choose its address')
  }
  if (trustedProxies !== undefined && realIpHeader === undefined) throw new NoexOptionsError('trustedProxies', 'has no effect without realIpHeader')
  if (auth?.mode === 'gateway' && allowedOrigins === undefined) {
    throw new NoexOptionsError('allowedOrigins', 'is required with auth.gateway: a page of any site could connect as whoever looks at it')
  }
  if (auth?.mode === 'gateway' && realIpHeader !== undefined) {
    const { userHeader, rolesHeader, secretHeader } = auth.gateway
    const taken = [userHeader, rolesHeader, secretHeader].map(name => name === undefined ? undefined : reducedName(name))
    if (taken.includes(reducedName(realIpHeader))) throw new NoexOptionsError('realIpHeader', 'is one of the headers of auth.gateway')
  }
}

/** Throws a NoexOptionsError unless `value` is a grace period: milliseconds that a timer can wait. */
export function isGracePeriod (value: unknown, path: string): void {
  isInteger(0, MAX_TIMER_MS - inFlightTimeoutMs - closeTimeoutMs)(value, path)
}

function isShare (value: unknown, path: string): void {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) throw new NoexOptionsError(path, 'must be a number above 0 and at most 1')
}

function isObjectOrFalse (value: unknown, path: string): void {
  if (value !== false && !isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object or false')
}

/** A store is known by what it can do, so that one from another copy of the package passes; so is a rule engine. */
function isStore (value: unknown, path: string): void {
  requireMethods(value, storeMethods, path, 'noex store')
}

function isRuleEngine (value: unknown, path: string): void {
  requireMethods(value, ruleEngineMethods, path, 'rule engine')
}

function requireMethods (value: unknown, names: readonly string[], path: string, what: string): void {
  const missing = names.find(name => typeof (value as Record<string, unknown> | null)?.[name] !== 'function')
  if (missing !== undefined) throw new NoexOptionsError(path, `must be a ${what}; it has no method "${missing}"`)
}
