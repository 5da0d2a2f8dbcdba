import type { Clock } from '../clock.js'
import { NoexServerError } from '../errors.js'
import type { ResolvedRateLimit } from './rate-limit-options.js'
import type { Refusals } from './refusals.js'
import { WindowLimiter } from './window-limiter.js'

/**
 * Limits requests: those of a user on all connections together, and those of an address for everybody there who is
 * not logged in, as whoever logs in is until then. Users and addresses are counted apart, so a user named like
 * an address shares nothing with it. Everything that a client sends is counted but pongs: also what is malformed, unknown,
 * or refused by the gate afterwards. What is refused here is not. PROTOCOL.md, "Rate limit".
 */
export class RequestLimiter {
  readonly #costs: ReadonlyMap<string, number>
  readonly #users: WindowLimiter
  readonly #addresses: WindowLimiter
  readonly #refusals: Refusals

  constructor ({ maxRequests, windowMs, costs }: ResolvedRateLimit, clock: Clock, refusals: Refusals) {
    this.#costs = costs
    this.#users = new WindowLimiter({ max: maxRequests, windowMs }, clock)
    this.#addresses = new WindowLimiter({ max: maxRequests, windowMs }, clock)
    this.#refusals = refusals
  }

  /**
   * Counts a request of a user, or of an address on which nobody is logged in; `addressKey` is what `addressKey()` makes of
   * it, and `operation` is `undefined` for what is no request. Returns its refusal when there were too many: `RATE_LIMITED` with `retryAfterMs`.
   */
  count (userId: string | undefined, addressKey: string, operation: string | undefined): NoexServerError | undefined {
    const cost = operation === undefined ? 1 : this.#costs.get(operation) ?? 1
    if (cost === 0) return undefined
    const [limiter, key] = userId === undefined ? [this.#addresses, addressKey] : [this.#users, userId]
    if (limiter.take(key, cost) !== undefined) return undefined
    this.#refusals.count('rate_limit')
    return new NoexServerError(
      'RATE_LIMITED',
      'Rate limit exceeded',
      { retryAfterMs: limiter.retryAfterMs(key, cost) }
    )
  }
}
