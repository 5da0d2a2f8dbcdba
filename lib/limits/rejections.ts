/** What is refused because of a limit. */
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
  /** An upgrade: it comes from a page that may not connect. */
  'origin'
] as const

export type RejectionReason = typeof rejectionReasons[number]

/** Counts what a service refuses. */
export class Rejections {
  readonly #counts = new Map<RejectionReason, number>(rejectionReasons.map(limit => [limit, 0]))

  count (limit: RejectionReason): void {
    this.#counts.set(limit, this.of(limit) + 1)
  }

  /** Refusals since the start. */
  of (limit: RejectionReason): number {
    return this.#counts.get(limit) ?? 0
  }
}
