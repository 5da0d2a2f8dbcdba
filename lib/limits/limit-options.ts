import { option, optional, options } from '../util/option-schema.js'
import { integer, MAX_INTEGER } from '../util/option-types.js'
import { rateLimitOptions, type RateLimitOptions } from './rate-limit-options.js'

/** The options that bound how much clients may ask for. */
export interface LimitOptions {
  /** How many connections and subscriptions there may be. */
  connectionLimits?: ConnectionLimitsOptions | undefined
  /**
   * Connections of one client address, or of one /64 network of IPv6.
   * @limit close 4003 `too_many_connections`
   * @default unlimited
   */
  maxConnectionsPerIp?: number | undefined
  /**
   * Requests of each user, and of each address while no user is logged in.
   * @limit `RATE_LIMITED` with `details.retryAfterMs`
   * @default none
   */
  rateLimit?: RateLimitOptions | undefined
  /**
   * Work that one request may take: records that are looked at × conditions that each is compared with. A
   * transaction and a call of a procedure count as one request.
   * @limit `VALIDATION_ERROR` with `details.workBudget`
   * @default 50_000_000
   */
  workBudget?: number | undefined
  /**
   * Records that one request may change at once, those that a delete takes with it included: the store does
   * it in one step, in which nothing else runs. `store.clear` has no such limit, and an application that
   * writes to the store itself has none either.
   * @limit `VALIDATION_ERROR` with `details.maxCommitChanges`
   * @default 10_000
   */
  maxCommitChanges?: number | undefined
}

/** The option `connectionLimits`. */
export interface ConnectionLimitsOptions {
  /**
   * Subscriptions of one connection.
   * @limit `RATE_LIMITED`
   * @default 100
   */
  maxSubscriptionsPerConnection?: number | undefined
  /**
   * Subscriptions of all connections.
   * @limit `RATE_LIMITED`
   * @default 10_000
   */
  maxTotalSubscriptions?: number | undefined
  /**
   * Connections at a time.
   * @limit 503 in place of the upgrade
   * @default unlimited
   */
  maxConnections?: number | undefined
  /**
   * Connections of one user at a time.
   * @limit `RATE_LIMITED` at login; 429 in place of the upgrade where a gateway names the user
   * @default unlimited
   */
  maxConnectionsPerUser?: number | undefined
  /**
   * Connections at a time of clients that must log in and have not.
   * @limit 503 in place of the upgrade
   * @default 10_000
   */
  maxUnauthenticatedConnections?: number | undefined
  /**
   * The largest message that a client may send before it logs in for the first time on its connection, where
   * a login is required, in bytes; at most `maxPayloadBytes` counts. It must have room for a login.
   * @limit close 1009
   * @default 32_768
   */
  maxUnauthenticatedPayloadBytes?: number | undefined
}

const count = integer(1, MAX_INTEGER)
const countOrNone = integer(0, MAX_INTEGER)

/** The range of the largest message: `ws` holds one in a single buffer. */
export const payloadBytes = integer(1, 2 ** 31 - 1)

export const connectionLimits = options<ConnectionLimitsOptions>()({
  maxSubscriptionsPerConnection: option(countOrNone, 100),
  maxTotalSubscriptions: option(countOrNone, 10_000),
  maxConnections: option(count, Infinity),
  maxConnectionsPerUser: option(count, Infinity),
  maxUnauthenticatedConnections: option(count, 10_000),
  maxUnauthenticatedPayloadBytes: option(payloadBytes, 32_768)
})

export const limitOptions = options<LimitOptions>()({
  connectionLimits,
  maxConnectionsPerIp: option(count, Infinity),
  rateLimit: optional(rateLimitOptions),
  workBudget: option(count, 50_000_000),
  maxCommitChanges: option(count, 10_000)
})
