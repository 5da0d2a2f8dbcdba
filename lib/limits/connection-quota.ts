import { NoexServerError } from '../protocol/errors.js'
import type { RejectionReason, Rejections } from './rejections.js'

/** Limits of concurrent connections. */
export interface ConnectionLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerUser: number
  /** Limit of connections that must log in and have not. */
  readonly maxUnauthenticatedConnections: number
}

/** The refusal of an upgrade. */
interface QuotaRefusal {
  /** The HTTP status. 429: the user has too many connections. 503: the server has. */
  readonly refused: 429 | 503
  readonly reason: string
}

/**
 * Counts connections from the acceptance of their upgrade, so that concurrent upgrades cannot exceed the
 * limits. A connection counts for its user as long as it accepts requests, and for the server until its
 * socket has closed.
 */
export class ConnectionQuota {
  readonly #limits: ConnectionLimits
  readonly #requiresAuth: boolean
  readonly #rejections: Rejections
  readonly #perUser = new Map<string, number>()
  #connections = 0
  #unauthenticated = 0

  /** `requiresAuth`: whether clients have to log in. */
  constructor (limits: ConnectionLimits, requiresAuth: boolean, rejections: Rejections) {
    this.#limits = limits
    this.#requiresAuth = requiresAuth
    this.#rejections = rejections
  }

  /**
   * Counts an upgrade; `userId` is the user that a gateway names. Returns a function that takes the count
   * back where no connection results, at most once; or the refusal.
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
   * Counts a connection for another user, at a login or a logout; `undefined`: not logged in.
   * @throws `RATE_LIMITED` when the new user has too many other connections; then nothing is changed
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
