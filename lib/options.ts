import type { FastifyHelmetOptions } from '@fastify/helmet'
import { closeTimeoutMs, inFlightTimeoutMs } from './deadlines.js'
import { storeMethods, type NoexStore } from './store/noex-store.js'

/** What `app.register(noexPlugin, options)` takes. Durations are milliseconds, sizes are bytes. */
export interface NoexOptions {
  /** The store to serve, from `Store.start()`. It stays the application's: the plugin never stops it. */
  store: NoexStore
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
   * Connections of one client address (`request.ip`). One more is closed with 4003.
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
  exposeErrorDetails: true,
  shutdown: { gracePeriodMs: 0 }
}

/** A bad option: `path` is where it stands, for instance `heartbeat.intervalMs`. */
export class NoexOptionsError extends Error {
  override readonly name = 'NoexOptionsError'
  readonly code = 'NOEX_ERR_INVALID_OPTION'
  readonly path: string

  constructor (path: string, problem: string) {
    super(`option ${path} ${problem}`)
    this.path = path
  }
}

type Check = (value: unknown, path: string) => void
interface Checks { readonly [name: string]: Check | Checks }

const MAX_TIMER_MS = 2_147_483_647

const checks: Checks = {
  store: isStore,
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
  exposeErrorDetails: isBoolean,
  shutdown: { gracePeriodMs: isGracePeriod }
}

/** Parts of the product that this version does not have. Accepting their options would promise what is not kept. */
const notBuilt = new Set([
  'auth', 'audit', 'rules', 'rateLimit', 'procedures', 'revocation', 'realIpHeader', 'trustedProxies', 'loginTimeoutMs'
])

/** Fastify's own options of `register`: plugin.ts hands them to the scopes of the routes. */
const ofFastify = new Set(['logLevel', 'logSerializers'])

/**
 * Checks the options and fills in the defaults. The given object is not changed; `undefined` counts as absent.
 * @throws {NoexOptionsError} at the first option that is unknown, not built or out of bounds.
 */
export function resolveOptions (options: NoexOptions): ResolvedOptions {
  const given = options as unknown as Record<string, unknown>
  checkGroup(given, checks, '')
  if (given['store'] === undefined) throw new NoexOptionsError('store', 'is required: pass the result of Store.start()')
  return merge(defaults, given) as unknown as ResolvedOptions
}

function checkGroup (given: Record<string, unknown>, group: Checks, prefix: string): void {
  for (const [name, value] of Object.entries(given)) {
    const path = prefix + name
    if (value === undefined || (prefix === '' && ofFastify.has(name))) continue
    if (prefix === '' && notBuilt.has(name)) throw new NoexOptionsError(path, 'belongs to a feature that this version does not have')
    const check = Object.hasOwn(group, name) ? group[name] : undefined
    if (check === undefined) throw new NoexOptionsError(path, 'is unknown')
    if (typeof check === 'function') {
      check(value, path)
    } else {
      if (!isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object')
      checkGroup(value, check, `${path}.`)
    }
  }
}

/** Lays `given` over `base`, group by group; the checks have made sure that both have the same shape. */
function merge (base: object, given: Record<string, unknown>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || ofFastify.has(name)) continue
    const group = checks[name]
    if (typeof group === 'object') merged[name] = merge(merged[name] as object, value as Record<string, unknown>)
    else merged[name] = Array.isArray(value) ? [...value as unknown[]] : value
  }
  return merged
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isInteger (min: number, max: number): Check {
  return (value, path) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw new NoexOptionsError(path, `must be an integer from ${min} to ${max}`)
    }
  }
}

/** Throws a NoexOptionsError unless `value` is a grace period: milliseconds that a timer can wait. */
export function isGracePeriod (value: unknown, path: string): void {
  isInteger(0, MAX_TIMER_MS - inFlightTimeoutMs - closeTimeoutMs)(value, path)
}

function isShare (value: unknown, path: string): void {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) throw new NoexOptionsError(path, 'must be a number above 0 and at most 1')
}

function isBoolean (value: unknown, path: string): void {
  if (typeof value !== 'boolean') throw new NoexOptionsError(path, 'must be true or false')
}

function isText (value: unknown, path: string): void {
  if (typeof value !== 'string' || value === '') throw new NoexOptionsError(path, 'must be a non-empty text')
}

function isTextArray (value: unknown, path: string): void {
  if (!Array.isArray(value) || value.some(item => typeof item !== 'string' || item === '')) {
    throw new NoexOptionsError(path, 'must be an array of non-empty texts')
  }
}

function isPath (value: unknown, path: string): void {
  if (typeof value !== 'string' || !/^\/[^\s?#:*]*$/.test(value)) {
    throw new NoexOptionsError(path, 'must be a path that starts with "/" and has no blank, "?", "#", ":" or "*"')
  }
}

function isPrefix (value: unknown, path: string): void {
  if (value !== '') isPath(value, path)
}

function isPathOrFalse (value: unknown, path: string): void {
  if (value !== false) isPath(value, path)
}

function isObjectOrFalse (value: unknown, path: string): void {
  if (value !== false && !isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object or false')
}

/** A store is known by what it can do, so that one from another copy of the package passes. */
function isStore (value: unknown, path: string): void {
  const missing = storeMethods.find(name => typeof (value as Record<string, unknown> | null)?.[name] !== 'function')
  if (missing !== undefined) throw new NoexOptionsError(path, `must be a noex store; it has no method "${missing}"`)
}
