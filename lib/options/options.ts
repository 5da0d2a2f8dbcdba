import { auditOptions, type AuditOptions } from '../audit/audit-options.js'
import { loginOptions, type LoginOptions } from '../auth/auth-options.js'
import { clusterOptions, type ClusterOptions } from '../cluster/cluster-options.js'
import { connectionOptions, type ConnectionOptions } from '../connection/connection-options.js'
import { checkProxies, originOptions, type OriginOptions } from '../handshake/origin-options.js'
import { reducedName } from '../handshake/raw-headers.js'
import { idempotencyOptions, type IdempotencyOptions } from '../idempotency/idempotency-options.js'
import { shutdownOptions, type ShutdownOptions } from '../lifecycle/shutdown-options.js'
import { limitOptions, type LimitOptions } from '../limits/limit-options.js'
import { operationOptions, type OperationOptions } from '../operations/operation-options.js'
import { procedureOptions, type ProcedureOptions } from '../procedures/procedure-options.js'
import { ruleOptions, type RuleOptions } from '../rules/rule-options.js'
import { storeProblem, type NoexStore } from '../store/noex-store.js'
import { liveOptions, type LiveOptions } from '../subscriptions/live-options.js'
import { queryOptions, type QueryOptions } from '../subscriptions/query-runner.js'
import { slowOptions, type SlowOptions } from '../util/slow-log.js'
import {
  NoexOptionsError, optional, options, required, type Resolved, type ValueType
} from '../util/option-schema.js'
import { routeOptions, type RouteOptions } from './route-options.js'

/**
 * The options of `app.register(noexPlugin, options)`. Durations are in milliseconds, sizes in bytes.
 * @example
 * await app.register(noexPlugin, { store, path: '/live', heartbeat: { intervalMs: 10_000 } })
 */
export interface NoexOptions extends
  RouteOptions, OriginOptions, ConnectionOptions, LimitOptions, QueryOptions, LiveOptions, RuleOptions,
  LoginOptions, OperationOptions, SlowOptions {
  /** The store to serve, from `Store.start()`. It stays the application's: the plugin never stops it. */
  store: NoexStore
  /**
   * Records who did what, for `audit.query`, the log, and the sinks of `fastify-noex/audit`: see
   * [Audit trail](audit.md).
   * @default none
   */
  audit?: AuditOptions | undefined
  /**
   * Keeps the store in a log in PostgreSQL, from which another process takes over: see [Cluster](cluster.md).
   * @default none
   */
  cluster?: ClusterOptions | undefined
  /** How long and how many requests with an `idempotencyKey` are remembered, so that none is done twice. */
  idempotency?: IdempotencyOptions | undefined
  /** How large stored procedures may be, and those of the application itself. */
  procedures?: ProcedureOptions | undefined
  /** How clients are sent away when the server stops. */
  shutdown?: ShutdownOptions | undefined
}

const store: ValueType = {
  text: '`Store`',
  check (value, path) {
    const problem = storeProblem(value)
    if (problem !== undefined) throw new NoexOptionsError(path, problem)
  }
}

export const noexOptions = options<NoexOptions>()({
  store: required(store, ': pass the result of Store.start()'),
  ...routeOptions.members,
  ...originOptions.members,
  ...connectionOptions.members,
  ...limitOptions.members,
  ...queryOptions.members,
  ...liveOptions.members,
  ...ruleOptions.members,
  ...loginOptions.members,
  ...operationOptions.members,
  ...slowOptions.members,
  audit: optional(auditOptions),
  cluster: optional(clusterOptions),
  idempotency: idempotencyOptions,
  procedures: procedureOptions,
  shutdown: shutdownOptions
})

/** The options with their defaults, checked. */
export type ResolvedOptions = Resolved<typeof noexOptions>

/** Fastify's own options of `register`: plugin.ts hands them to the scopes of the routes. */
const ofFastify = ['logLevel', 'logSerializers']

/**
 * Checks the options and fills in the defaults. The given object is not changed; `undefined` counts as
 * absent.
 * @throws {NoexOptionsError} at the first option that is unknown or out of bounds
 */
export function resolveOptions (options: NoexOptions): ResolvedOptions {
  const entries = Object.entries(options).filter(([name]) => !ofFastify.includes(name))
  const resolved = noexOptions.resolve(Object.fromEntries(entries), '')
  checkProxies(resolved)
  checkGateway(resolved)
  return resolved
}

/** Checks `auth.gateway` beside the options of the handshake. @throws {NoexOptionsError} */
function checkGateway ({ auth, allowedOrigins, realIpHeader }: ResolvedOptions): void {
  if (auth?.mode !== 'gateway') return
  if (allowedOrigins === undefined) {
    throw new NoexOptionsError(
      'allowedOrigins',
      'is required with auth.gateway: a page of any site could connect as the user who looks at it'
    )
  }
  if (allowedOrigins.includes('null')) {
    throw new NoexOptionsError(
      'allowedOrigins',
      'must not have "null" with auth.gateway: any site can open a page with that origin'
    )
  }
  const { userHeader, rolesHeader, secretHeader } = auth.gateway
  const taken = [userHeader, rolesHeader, secretHeader].map(name => name && reducedName(name))
  if (realIpHeader !== undefined && taken.includes(reducedName(realIpHeader))) {
    throw new NoexOptionsError('realIpHeader', 'is one of the headers of auth.gateway')
  }
}
