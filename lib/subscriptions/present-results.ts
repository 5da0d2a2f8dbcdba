import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import type { Grant } from '../permissions/grant.js'
import type { Scope } from '../permissions/policy.js'
import { EncodedJson } from '../protocol/encode.js'
import { encodeLiveReply } from '../protocol/live-messages.js'
import { firstResult, joinFor } from './first-result.js'
import type { LiveQueries } from './live-queries.js'
import { QuerySubscription, type SubscriptionHost } from './query-subscription.js'
import type { QuerySubscriber, SubscriptionRequest } from './query-subscriptions.js'

/** One that shows nothing: nothing is pushed to a call. */
const noHost: SubscriptionHost = { changed () {}, evaluated () {}, end () {} }

/** Answers the subscriptions of a call with the present result: each ends with its reply. */
export class PresentResults {
  readonly #quota: SubscriptionQuota
  readonly #subscriber: Pick<QuerySubscriber, 'clientId' | 'account'>
  readonly #liveQueries: LiveQueries

  constructor (
    quota: SubscriptionQuota, subscriber: Pick<QuerySubscriber, 'clientId' | 'account'>,
    liveQueries: LiveQueries
  ) {
    this.#quota = quota
    this.#subscriber = subscriber
    this.#liveQueries = liveQueries
  }

  /** @throws `RATE_LIMITED` when the quota allows no further subscription */
  checkQuota (): void {
    this.#quota.check(0)
  }

  /**
   * Returns the reply to a subscription, without an id. It counts in the quota until then.
   * @throws as `QuerySubscriptions.add`
   */
  async add (request: SubscriptionRequest, scope: Scope, grant: Grant): Promise<EncodedJson> {
    this.checkQuota()
    this.#quota.take('store')
    const { query, find, params, page, since } = request
    const { clientId: owner, account } = this.#subscriber
    const live = { query, find, params, page, since, scope, owner, account }
    const subscription = new QuerySubscription(noHost, live, request, this.#liveQueries.clock)
    try {
      await joinFor(grant, subscription, this.#liveQueries.find(live))
      const { head, body } = await firstResult(subscription, since, grant)
      return new EncodedJson(encodeLiveReply(undefined, head, body))
    } finally {
      subscription.suspend()
      this.#quota.release('store')
    }
  }

  /** Does nothing: a call is shown no changes. */
  announce (): void {}

  /** Returns `false`: there is no subscription to end. */
  remove (): boolean {
    return false
  }
}
