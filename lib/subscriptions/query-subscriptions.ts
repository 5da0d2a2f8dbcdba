import type { Grant } from '../permissions/grant.js'
import type { Scope } from '../permissions/policy.js'
import { EncodedJson, encodeNotice } from '../protocol/encode.js'
import { encodeLiveReply } from '../protocol/live-messages.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import { firstResult, joinFor } from './first-result.js'
import type { LiveQueries } from './live-queries.js'
import { nameOf, type LiveRequest, type Watched } from './live-request.js'
import type { Position } from './publication.js'
import {
  QuerySubscription, type SubscriptionHost, type SubscriptionOptions
} from './query-subscription.js'
import {
  firstOf, SubscriptionsById, type PushTarget, type Subscriber, type SubscriptionInfo
} from './subscriber.js'
import { WaitingSubscriptions, type WaitingHost } from './waiting-subscriptions.js'

/** The owner of query subscriptions, with its present rights. */
export interface QuerySubscriber extends Subscriber {
  /** The id of its connection. */
  readonly clientId: string
  /** The user, or the address where no user is logged in, whose memory its live queries take. */
  readonly account: string
  /** Returns the records that a live query may read for the client; `undefined` where it may not watch it. */
  liveQueryScope: (watched: Watched) => Scope | undefined
}

/** A subscription that is asked for. */
export interface SubscriptionRequest extends
  Watched, SubscriptionOptions, Pick<LiveRequest, 'params' | 'page'> {
  /** The result that the client has from an earlier connection. */
  readonly since: Position | undefined
}

/** The subscriptions of one connection to live queries. */
export class QuerySubscriptions extends SubscriptionsById<QuerySubscription> implements
  SubscriptionHost, WaitingHost {
  readonly #target: PushTarget
  readonly #quota: SubscriptionQuota
  readonly #subscriber: QuerySubscriber
  readonly #liveQueries: LiveQueries
  /** Whether the right to a subscription must be checked before each push. */
  readonly #isVolatile: boolean
  readonly #waiting: WaitingSubscriptions
  /** The number of subscriptions whose first result is being evaluated; they count too. */
  #joining = 0
  #deltas = 0
  #isClosed = false

  constructor (
    target: PushTarget, quota: SubscriptionQuota, subscriber: QuerySubscriber, liveQueries: LiveQueries
  ) {
    super()
    this.#target = target
    this.#quota = quota
    this.#subscriber = subscriber
    this.#liveQueries = liveQueries
    this.#isVolatile = subscriber.isVolatile
    this.#waiting = new WaitingSubscriptions(this, target, quota, liveQueries)
  }

  get size (): number {
    return this.byId.size + this.#joining
  }

  /** Returns the first `max` of them, for operators. */
  infos (max: number): SubscriptionInfo[] {
    return firstOf(this.byId.values(), max).map(({ id, askedAt, request: { query, find } }) => ({
      subscriptionId: id,
      kind: 'store',
      ...(query === undefined ? { bucket: String(find?.bucket) } : { query }),
      since: askedAt
    }))
  }

  /** Whether one of them is to a query; `name` as `nameOf` returns it. */
  watches (name: string): boolean {
    for (const { request } of this.byId.values()) if (nameOf(request) === name) return true
    return false
  }

  /** @throws `RATE_LIMITED` when the quota allows no further subscription */
  checkQuota (): void {
    this.#quota.check(this.#subscriber.subscriptionCount)
  }

  /**
   * Subscribes and returns the reply: the id and the present result, or what has changed in it. Pushes begin
   * when the reply has been sent.
   * @throws `RATE_LIMITED`, `QUERY_NOT_DEFINED`, `BUCKET_NOT_DEFINED`, `FORBIDDEN`, `UNAUTHORIZED`, or the
   * error of the query
   */
  async add (request: SubscriptionRequest, scope: Scope, grant: Grant): Promise<EncodedJson> {
    this.checkQuota()
    // Counted before the first wait, so that concurrent requests cannot exceed the quota.
    this.#quota.take('store')
    this.#joining++
    const { query, find, params, page, since } = request
    const { clientId: owner, account } = this.#subscriber
    const live: LiveRequest = { query, find, params, page, since, scope, owner, account }
    const subscription = new QuerySubscription(this, live, request, this.#liveQueries.clock)
    subscription.askedAt = this.#subscriber.now()
    try {
      await joinFor(grant, subscription, this.#liveQueries.find(live))
      return await this.#reply(subscription, since, grant)
    } catch (error) {
      subscription.suspend()
      if (!this.#isClosed) this.#quota.release('store')
      throw error
    } finally {
      this.#joining--
    }
  }

  async #reply (
    subscription: QuerySubscription, since: Position | undefined, grant: Grant
  ): Promise<EncodedJson> {
    const { isDelta, liveQuery } = subscription
    const { head, body, version, position } = await firstResult(subscription, since, grant)
    const subscriptionId = subscription.id = this.freeId(liveQuery.id)
    this.byId.set(subscriptionId, subscription)
    if (isDelta) this.#deltas++
    return new EncodedJson(
      encodeLiveReply(subscriptionId, head, body),
      () => { subscription.activate(liveQuery, version, position) },
      () => { this.remove(subscriptionId) }
    )
  }

  /** Pushes the newest results of the subscriptions that have waited. */
  resume (): void {
    this.#waiting.resume()
  }

  /**
   * Applies a change of the session or its rights: subscriptions that are not allowed any more end; without a
   * login, they are suspended until there is one. PROTOCOL.md, "Subscriptions".
   */
  review (): void {
    for (const subscription of [...this.byId.values()]) {
      const scope = this.#subscriber.liveQueryScope(subscription.request)
      if (scope !== undefined) subscription.follow(scope)
      else if (this.#subscriber.isLoggedIn) this.end(subscription, 'forbidden')
      else this.#suspend(subscription, true)
    }
  }

  /** Ends all subscriptions for good. */
  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#quota.release('store', this.size)
    for (const subscription of this.byId.values()) this.#suspend(subscription)
    this.byId.clear()
    this.#waiting.close()
  }

  changed (subscription: QuerySubscription): void {
    this.#waiting.add(subscription)
  }

  evaluated (): void {
    this.#waiting.look()
  }

  /** Notifies the client when all its live queries have been shown a state of at least `revision`. */
  announce (revision: number): void {
    this.#waiting.announce(revision)
  }

  shownTo (revision: number, waiting: ReadonlySet<QuerySubscription>): number {
    let least = Infinity
    for (const one of this.byId.values()) least = Math.min(least, one.shownTo(revision, waiting.has(one)))
    return least
  }

  get hasDeltas (): boolean {
    return this.#deltas > 0
  }

  get isAwaiting (): boolean {
    for (const subscription of this.byId.values()) if (subscription.isAwaited) return true
    return false
  }

  mayPush (): boolean {
    return this.#subscriber.mayPush()
  }

  isCurrent (subscription: QuerySubscription): boolean {
    if (!this.#isVolatile) return true
    const scope = this.#subscriber.liveQueryScope(subscription.request)
    if (scope === undefined) this.end(subscription, 'forbidden')
    else if (scope.key !== subscription.liveQuery.scope.key) subscription.follow(scope)
    else return true
    return false
  }

  /** Ends a subscription, which frees its slot, and notifies the client. */
  end (subscription: QuerySubscription, reason: SubscriptionEnd): void {
    if (this.byId.get(subscription.id) !== subscription) return
    this.drop(subscription)
    this.ended.add(subscription.id)
    this.#target.send(
      encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId: subscription.id, reason })
    )
  }

  #suspend (subscription: QuerySubscription, mayReturn = false): void {
    this.#waiting.delete(subscription)
    if (mayReturn) subscription.pause()
    else subscription.suspend()
  }

  protected drop (subscription: QuerySubscription): void {
    this.#suspend(subscription)
    if (subscription.isDelta) this.#deltas--
    this.byId.delete(subscription.id)
    this.#quota.release('store')
  }
}
