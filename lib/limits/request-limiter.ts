import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import type { ResolvedRateLimit } from './rate-limit-options.js'
import type { Rejections } from './rejections.js'
import { WindowLimiter } from './window-limiter.js'

/** A request counts as so many of an operation. */
export interface Charge {
  readonly operation: string
  readonly times: number
}

/**
 * Limits requests: those of a user on all connections together, and those of an address on which no user is
 * logged in, logins included. Users and addresses are counted apart, so a user named like an address shares
 * nothing with it. Every frame of a client counts except pongs, also one that is malformed, unknown, or
 * refused by permissions afterwards. A request that is refused here does not count. PROTOCOL.md, "Rate
 * limit".
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
   * Counts a request of a user, or of an address on which no user is logged in; `addressKey` is the result of
   * `addressKey()`, and `charges` is `undefined` for a frame that is no request. Returns its refusal when
   * there were too many: `RATE_LIMITED` with `retryAfterMs`. No request costs more than a whole window.
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
