import type { Counters } from '../util/counters.js'

/** The limits because of which something is refused. */
export const rejectionReasons = [
  /** A request: the user, or the address, has made too many. */
  'rate_limit',
  /** A login: too many attempts. */
  'login_attempts',
  /** A login or an upgrade: the user has too many connections. */
  'connections_per_user',
  /** An upgrade: the address has too many connections. */
  'connections_per_ip',
  /** An upgrade: there are too many connections. */
  'connections',
  /** An upgrade: too many are there that have not logged in. */
  'unauthenticated_connections',
  /** A subscription: the connection, or all together, have too many. */
  'subscriptions',
  /** A live query: what it would keep goes beyond a limit of bytes. */
  'live_query_bytes',
  /** An upgrade, or a request over HTTP: its page may not connect. */
  'origin',
  /** A request over HTTP: too many are under way. */
  'calls'
] as const

export type RejectionReason = typeof rejectionReasons[number]

/** Counts the rejections of a service. */
export type Rejections = Counters<RejectionReason>
