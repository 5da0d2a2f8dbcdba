import type { Grant } from '../permissions/grant.js'
import type { Scope } from '../permissions/policy.js'
import { EncodedJson, encodeNotice } from '../protocol/encode.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { LiveQuery, LiveQueryListener } from './live-query.js'
import type { LiveQueries } from './live-queries.js'
import { SubscriptionsById, type Subscriber } from './subscriber.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'

/** The receiver of pushes: the outbox of a connection. */
export interface PushTarget {
  /** Whether pushes must wait until the client has read more. */
  readonly isCongested: boolean
  send: (text: string) => void
  sendFrame: (frame: Buffer) => void
}

/** The owner of query subscriptions, with its present rights. */
export interface QuerySubscriber extends Subscriber {
  /** The id of its connection. */
  readonly clientId: string
  /** Returns the records that a live query may read for the client; `undefined` where it may not watch it. */
  liveQueryScope: (query: string) => Scope | undefined
}

/** The subscriptions of one connection to live queries. */
export class QuerySubscriptions extends SubscriptionsById<Subscription> {
  readonly #target: PushTarget
  readonly #quota: SubscriptionQuota
  readonly #subscriber: QuerySubscriber
  /** Whether the right to a subscription must be checked before each push. */
  readonly #isVolatile: boolean
  readonly #waiting = new Set<Subscription>()
  /** The number of subscriptions whose first result is being evaluated; they count too. */
  #joining = 0
  #isClosed = false

  constructor (target: PushTarget, quota: SubscriptionQuota, subscriber: QuerySubscriber) {
    super()
    this.#target = target
    this.#quota = quota
    this.#subscriber = subscriber
    this.#isVolatile = subscriber.isVolatile
  }

  get size (): number {
    return this.byId.size + this.#joining
  }

  /** @throws `RATE_LIMITED` when the quota allows no further subscription */
  checkQuota (): void {
    this.#quota.check(this.#subscriber.subscriptionCount)
  }

  /**
   * Subscribes and returns the reply: the id and the present result. Pushes begin when the reply has been
   * sent.
   * @throws `RATE_LIMITED`, `QUERY_NOT_DEFINED`, `BUCKET_NOT_DEFINED`, `FORBIDDEN`, `UNAUTHORIZED`, or the
   * error of the query
   */
  async add (liveQueries: LiveQueries, query: string, params: unknown, grant: Grant): Promise<EncodedJson> {
    this.checkQuota()
    // Counted before the first wait, so that concurrent requests cannot exceed the quota.
    this.#quota.take('store')
    this.#joining++
    const subscription = new Subscription(this)
    try {
      const owner = this.#subscriber.clientId
      await join(subscription, liveQueries.liveQuery(query, params, grant.scope(query), owner), grant)
    } catch (error) {
      if (!this.#isClosed) this.#quota.release('store')
      throw error
    } finally {
      this.#joining--
    }
    const { liveQuery } = subscription
    const { text } = liveQuery
    this.byId.set(subscription.id = this.freeId(liveQuery.id), subscription)
    return new EncodedJson(
      `{"subscriptionId":${JSON.stringify(subscription.id)},"data":${text}}`,
      () => { subscription.activate(text) },
      () => { this.remove(subscription.id) }
    )
  }

  /** Pushes the newest results of the subscriptions that have waited. */
  resume (): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const subscription of waiting) subscription.onChange()
  }

  /**
   * Applies a change of the session or its rights: subscriptions that are not allowed any more end; without a
   * login, they are suspended until there is one. PROTOCOL.md, "Subscriptions".
   */
  review (): void {
    for (const subscription of [...this.byId.values()]) {
      const scope = this.#subscriber.liveQueryScope(subscription.liveQuery.query)
      if (scope !== undefined) subscription.follow(scope)
      else if (this.#subscriber.isLoggedIn) this.end(subscription, 'forbidden')
      else this.#suspend(subscription)
    }
  }

  /** Ends all subscriptions for good. */
  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#quota.release('store', this.size)
    for (const subscription of this.byId.values()) subscription.suspend()
    this.byId.clear()
    this.#waiting.clear()
  }

  /** Pushes the newest result of a subscription, now or when it may. */
  push (subscription: Subscription): void {
    const mayPush = !this.#target.isCongested && this.#subscriber.mayPush()
    // `mayPush` may have ended the session, and with it the subscription.
    if (!subscription.isWatching) return
    if (!mayPush) {
      this.#waiting.add(subscription)
      return
    }
    if (this.#isVolatile && !this.#isCurrent(subscription)) return
    this.#target.sendFrame(subscription.liveQuery.frame(subscription.id))
    this.#quota.pushes.store++
    subscription.sentText = subscription.liveQuery.text
  }

  /**
   * Whether the client may still read the same records; if not, the subscription ends or changes its scope.
   */
  #isCurrent (subscription: Subscription): boolean {
    const scope = this.#subscriber.liveQueryScope(subscription.liveQuery.query)
    if (scope === undefined) this.end(subscription, 'forbidden')
    else if (scope.key !== subscription.liveQuery.scope.key) subscription.follow(scope)
    else return true
    return false
  }

  /** Ends a subscription, which frees its slot, and notifies the client. */
  end (subscription: Subscription, reason: SubscriptionEnd): void {
    if (this.byId.get(subscription.id) !== subscription) return
    this.drop(subscription)
    this.ended.add(subscription.id)
    this.#target.send(
      encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId: subscription.id, reason })
    )
  }

  #suspend (subscription: Subscription): void {
    this.#waiting.delete(subscription)
    subscription.suspend()
  }

  protected drop (subscription: Subscription): void {
    this.#suspend(subscription)
    this.byId.delete(subscription.id)
    this.#quota.release('store')
  }
}

/** Resolves when the subscription has its first result and the client may still see it. */
async function join (subscription: Subscription, liveQuery: LiveQuery, grant: Grant): Promise<void> {
  await subscription.join(liveQuery)
  try {
    grant.assertStillAllowed()
  } catch (error) {
    subscription.suspend()
    throw error
  }
}

/** One subscription to a live query, with the result that the client has. */
class Subscription implements LiveQueryListener {
  id = ''
  /** The JSON that the client has. */
  sentText: string | undefined
  readonly #owner: QuerySubscriptions
  /** While suspended, the live query that it has left. */
  #liveQuery!: LiveQuery
  #isWatching = false
  #isActive = false
  #endReason: SubscriptionEnd | undefined

  constructor (table: QuerySubscriptions) {
    this.#owner = table
  }

  get liveQuery (): LiveQuery {
    return this.#liveQuery
  }

  get isWatching (): boolean {
    return this.#isWatching
  }

  async join (liveQuery: LiveQuery): Promise<void> {
    this.#liveQuery = liveQuery
    this.#isWatching = true
    await liveQuery.join(this)
  }

  /** Watches under this scope from now on; the client gets the result when it differs from `sentText`. */
  follow (scope: Scope): void {
    if (this.#isWatching && scope.key === this.#liveQuery.scope.key) return
    this.suspend()
    this.#liveQuery = this.#liveQuery.under(scope)
    this.#isWatching = true
    this.#liveQuery.watch(this)
  }

  /** Watches nothing until `follow`. */
  suspend (): void {
    if (!this.#isWatching) return
    this.#isWatching = false
    this.#liveQuery.leave(this)
  }

  /** Allows pushes: the reply with this result has been sent. */
  activate (text: string): void {
    this.#isActive = true
    this.sentText = text
    if (this.#endReason !== undefined) this.#owner.end(this, this.#endReason)
    else if (this.#isWatching && this.#liveQuery.hasResult) this.onChange()
  }

  onChange (): void {
    if (this.#isActive && this.#isWatching && this.sentText !== this.#liveQuery.text) this.#owner.push(this)
  }

  onEnd (reason: SubscriptionEnd): void {
    this.#endReason = reason
    if (this.#isActive) this.#owner.end(this, reason)
  }
}
