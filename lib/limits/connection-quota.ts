import { NoexServerError } from '../protocol/errors.js'
import type { Resolved } from '../util/option-schema.js'
import type { connectionLimits } from './limit-options.js'
import type { RejectionReason, Rejections } from './rejections.js'

/** How many connections there may be at a time. */
export type ConnectionLimits = Pick<
  Resolved<typeof connectionLimits>,
  'maxConnections' | 'maxConnectionsPerUser' | 'maxUnauthenticatedConnections'
>

/** Counts the connections of each address, and how many were rejected. */
export class AddressQuota {
  readonly #max: number
  readonly #rejections: Rejections
  readonly #counts = new Map<string, number>()

  constructor (max: number, rejections: Rejections) {
    this.#max = max
    this.#rejections = rejections
  }

  /**
   * Counts a connection of an address, by its `addressKey()`, until `release`. Returns whether it was
   * accepted; one that is not counts as rejected.
   */
  acquire (address: string): boolean {
    const count = this.#counts.get(address) ?? 0
    if (count >= this.#max) {
      this.#rejections.count('connections_per_ip')
      return false
    }
    this.#counts.set(address, count + 1)
    return true
  }

  release (address: string): void {
    const left = (this.#counts.get(address) ?? 0) - 1
    if (left <= 0) this.#counts.delete(address)
    else this.#counts.set(address, left)
  }
}

/** The refusal of an upgrade. */
interface QuotaRefusal {
  /** The HTTP status. 429: the user has too many connections. 503: the server has. */
  readonly refused: 429 | 503
  readonly reason: string
}

/**
 * Counts connections from the moment in which their upgrade is let in, so that those that come at the same
 * time cannot be more than the limits allow. A connection counts as its user's as long as it takes requests,
 * and as a connection, and as one without a login, until its socket has ended.
 */
export class ConnectionQuota {
  readonly #limits: ConnectionLimits
  readonly #requiresAuth: boolean
  readonly #rejections: Rejections
  readonly #perUser = new Map<string, number>()
  #connections = 0
  #unauthenticated = 0

  /** `requiresAuth`: whether a client that is not logged in must do so. */
  constructor (limits: ConnectionLimits, requiresAuth: boolean, rejections: Rejections) {
    this.#limits = limits
    this.#requiresAuth = requiresAuth
    this.#rejections = rejections
  }

  /**
   * Counts an upgrade, of `userId` where a gateway has named one. Returns a function that takes the count
   * back when no connection comes of it, with effect once; or why the upgrade is refused.
   */
  acquire (userId: string | undefined): (() => void) | QuotaRefusal {
    if (this.#connections >= this.#limits.maxConnections) {
      return this.#refuse('connections', 503, 'there are too many connections')
    }
    if (
      userId === undefined &&
      this.#requiresAuth &&
      this.#unauthenticated >= this.#limits.maxUnauthenticatedConnections
    ) {
      return this.#refuse('unauthenticated_connections', 503, 'too many connections have not logged in')
    }
    if (userId !== undefined && this.#isFull(userId)) {
      return this.#refuse('connections_per_user', 429, 'the user has too many connections')
    }
    this.#connections++
    this.#add(userId, 1)
    let isCounted = true
    return () => {
      if (!isCounted) return
      isCounted = false
      this.stop(userId)
      this.release()
    }
  }

  /**
   * Counts a login on a connection, or a logout.
   * @throws `RATE_LIMITED` when the user has too many connections besides; then nothing is changed
   */
  change (from: string | undefined, to: string | undefined): void {
    if (from === to) return
    if (to !== undefined && this.#isFull(to)) {
      this.#rejections.count('connections_per_user')
      throw new NoexServerError('RATE_LIMITED', 'This user has too many connections')
    }
    this.#add(from, -1)
    this.#add(to, 1)
  }

  /** Ends the count of a connection for its user, when it accepts no more requests. */
  stop (userId: string | undefined): void {
    this.#add(userId, -1)
  }

  /** Ends the count of a connection, when its socket has closed. */
  release (): void {
    this.#connections--
  }

  #isFull (userId: string): boolean {
    return (this.#perUser.get(userId) ?? 0) >= this.#limits.maxConnectionsPerUser
  }

  #add (userId: string | undefined, change: 1 | -1): void {
    if (userId === undefined) {
      this.#unauthenticated += change
      return
    }
    const count = (this.#perUser.get(userId) ?? 0) + change
    if (count === 0) this.#perUser.delete(userId)
    else this.#perUser.set(userId, count)
  }

  #refuse (limit: RejectionReason, refused: QuotaRefusal['refused'], reason: string): QuotaRefusal {
    this.#rejections.count(limit)
    return { refused, reason }
  }
}
