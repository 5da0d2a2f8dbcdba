import { NoexServerError } from '../protocol/errors.js'
import type { Rejections } from './rejections.js'

/** The kinds of subscriptions: live queries (`store`) and rule events (`rules`). */
export type SubscriptionKind = 'store' | 'rules'

/**
 * Counts the subscriptions of all connections and the pushes to them. Checking a limit takes constant time.
 */
export class SubscriptionQuota {
  readonly #perConnection: number
  readonly #total: number
  readonly #taken: Record<SubscriptionKind, number> = { store: 0, rules: 0 }
  /** Number of pushes since the start, one for each receiver. */
  readonly pushes: Record<SubscriptionKind, number> = { store: 0, rules: 0 }
  readonly #rejections: Rejections

  constructor (
    limits: { readonly maxSubscriptionsPerConnection: number, readonly maxTotalSubscriptions: number },
    rejections: Rejections
  ) {
    this.#rejections = rejections
    this.#perConnection = limits.maxSubscriptionsPerConnection
    this.#total = limits.maxTotalSubscriptions
  }

  /** Number of subscriptions of all connections. */
  get taken (): Readonly<Record<SubscriptionKind, number>> {
    return this.#taken
  }

  /** @throws `RATE_LIMITED` when a connection with `count` subscriptions cannot have another */
  check (count: number): void {
    if (count >= this.#perConnection) {
      this.#rejections.count('subscriptions')
      throw new NoexServerError(
        'RATE_LIMITED',
        `Subscription limit of ${this.#perConnection} per connection is reached`
      )
    }
    if (this.#taken.store + this.#taken.rules >= this.#total) {
      this.#rejections.count('subscriptions')
      throw new NoexServerError('RATE_LIMITED', `Global subscription limit of ${this.#total} is reached`)
    }
  }

  take (kind: SubscriptionKind): void {
    this.#taken[kind]++
  }

  release (kind: SubscriptionKind, count = 1): void {
    this.#taken[kind] -= count
  }
}
