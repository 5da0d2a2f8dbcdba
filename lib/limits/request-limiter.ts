import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import type { ResolvedRateLimit } from './rate-limit-options.js'
import type { Rejections } from './rejections.js'
import { WindowLimiter } from './window-limiter.js'

/** The cost of a request: that of an operation, so many times. */
export interface Charge {
  readonly operation: string
  readonly times: number
}

/**
 * Limits requests: those of a user on all connections together, and those of an address for all clients there
 * that are not logged in. Users and addresses are counted separately, so that a user named like an address
 * does not share its limit. All messages but pongs count, also malformed and unknown ones, and those that the
 * Authorizer refuses. Requests that are refused here do not count. PROTOCOL.md, "Rate limit".
 */
export class RequestLimiter {
  readonly #costs: ReadonlyMap<string, number>
  readonly #unitsPerRequest: number
  readonly #maxRequests: number
  readonly #users: WindowLimiter
  readonly #addresses: WindowLimiter
  readonly #rejections: Rejections

  constructor (
    { maxRequests, windowMs, costs, unitsPerRequest }: ResolvedRateLimit, clock: Clock, rejections: Rejections
  ) {
    this.#costs = costs
    this.#unitsPerRequest = unitsPerRequest
    this.#maxRequests = maxRequests
    this.#users = new WindowLimiter({ max: maxRequests, windowMs }, clock)
    this.#addresses = new WindowLimiter({ max: maxRequests, windowMs }, clock)
    this.#rejections = rejections
  }

  /**
   * Counts a message of a user, or of an address where the client is not logged in. `addressKey` is the
   * result of `addressKey()`; `charges` is `undefined` for a message that is no request. Returns the refusal,
   * `RATE_LIMITED` with `retryAfterMs`, when the limit is reached. No request costs more than a whole window.
   */
  count (
    userId: string | undefined, addressKey: string, charges: string | readonly Charge[] | undefined
  ): NoexServerError | undefined {
    const cost = Math.min(this.#maxRequests, this.#costOf(charges))
    if (cost === 0) return undefined
    const [limiter, key] = this.#counter(userId, addressKey)
    if (limiter.take(key, cost) !== undefined) return undefined
    this.#rejections.count('rate_limit')
    return new NoexServerError(
      'RATE_LIMITED',
      'Rate limit exceeded',
      { retryAfterMs: limiter.retryAfterMs(key, cost) }
    )
  }

  /** Counts the work of a request, in units of `Work`. */
  charge (userId: string | undefined, addressKey: string, units: number): void {
    const cost = Math.floor(units / this.#unitsPerRequest)
    if (cost === 0) return
    const [limiter, key] = this.#counter(userId, addressKey)
    limiter.charge(key, cost)
  }

  #counter (userId: string | undefined, addressKey: string): readonly [WindowLimiter, string] {
    return userId === undefined ? [this.#addresses, addressKey] : [this.#users, userId]
  }

  #costOf (charges: string | readonly Charge[] | undefined): number {
    if (charges === undefined) return 1
    if (typeof charges === 'string') return this.#costs.get(charges) ?? 1
    let cost = 0
    for (const { operation, times } of charges) cost += (this.#costs.get(operation) ?? 1) * times
    return cost
  }
}
