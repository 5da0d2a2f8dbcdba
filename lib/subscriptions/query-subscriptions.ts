import type { Grant } from '../permissions/grant.js'
import type { Scope } from '../permissions/policy.js'
import { EncodedJson, encodeNotice } from '../protocol/encode.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { subscriptionId, type LiveQuery, type LiveQueryListener } from './live-query.js'
import type { LiveQueries } from './live-queries.js'
import { EndedSubscriptions, type Subscriber } from './subscriber.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'

/** Where pushes go: the outbox of a connection. */
export interface PushTarget {
  /** Whether so much waits for the client that pushes must wait too. */
  readonly congested: boolean
  send: (text: string) => void
  sendFrame: (frame: Buffer) => void
}

/** Whose subscriptions they are, and what it may watch at the moment. */
export interface QuerySubscriber extends Subscriber {
  /** The id of its connection. */
  readonly clientId: string
  /** What a live query may read for the client; `undefined` when it may not watch it. */
  liveQueryScope: (query: string) => Scope | undefined
}

/** The subscriptions of one connection. */
export class QuerySubscriptions {
  readonly #target: PushTarget
  readonly #quota: SubscriptionQuota
  readonly #subscriber: QuerySubscriber
  /** Whether the right to a subscription must be asked for before each push. */
  readonly #isVolatile: boolean
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #ended = new EndedSubscriptions()
  readonly #waiting = new Set<Subscription>()
  /** Subscriptions whose first result is being evaluated; they count already. */
  #joining = 0
  #closed = false

  constructor (target: PushTarget, quota: SubscriptionQuota, subscriber: QuerySubscriber) {
    this.#target = target
    this.#quota = quota
    this.#subscriber = subscriber
    this.#isVolatile = subscriber.isVolatile
  }

  get size (): number {
    return this.#subscriptions.size + this.#joining
  }

  /** Throws `RATE_LIMITED` when there is no room for another subscription. */
  checkRoom (): void {
    this.#quota.check(this.#subscriber.subscriptionCount)
  }

  /**
   * Subscribes and returns the reply: the id and the current result. Pushes start when the reply has been
   * sent.
   * @throws `RATE_LIMITED`, `QUERY_NOT_DEFINED`, `BUCKET_NOT_DEFINED`, `FORBIDDEN`, `UNAUTHORIZED`, or what
   * the query throws
   */
  async add (liveQueries: LiveQueries, query: string, params: unknown, grant: Grant): Promise<EncodedJson> {
    this.checkRoom()
    // Taken before the first wait: what is only counted afterwards can be overrun.
    this.#quota.take('store')
    this.#joining++
    const subscription = new Subscription(this)
    try {
      const owner = this.#subscriber.clientId
      await join(subscription, liveQueries.liveQuery(query, params, grant.scope(query), owner), grant)
    } catch (error) {
      if (!this.#closed) this.#quota.release('store')
      throw error
    } finally {
      this.#joining--
    }
    const { liveQuery } = subscription
    const { text } = liveQuery
    this.#subscriptions.set(subscription.id = this.#freeId(liveQuery), subscription)
    return new EncodedJson(
      `{"subscriptionId":${JSON.stringify(subscription.id)},"data":${text}}`,
      () => { subscription.activate(text) },
      () => { this.remove(subscription.id) }
    )
  }

  /**
   * Ends a subscription. Returns whether there was one, or one that ended by itself and has not been
   * unsubscribed since.
   */
  remove (id: string): boolean {
    const subscription = this.#subscriptions.get(id)
    if (subscription === undefined) return this.#ended.take(id)
    this.#drop(subscription)
    return true
  }

  /** Sends the newest results that had to wait. */
  resume (): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const subscription of waiting) subscription.onChange()
  }

  /**
   * What the client may watch has changed, or who it is. Nothing is pushed any more that it may not see:
   * where nobody is logged in, such subscriptions are suspended until somebody is; otherwise they end.
   * PROTOCOL.md, "Subscriptions".
   */
  review (): void {
    for (const subscription of [...this.#subscriptions.values()]) {
      const scope = this.#subscriber.liveQueryScope(subscription.liveQuery.query)
      if (scope !== undefined) subscription.follow(scope)
      else if (this.#subscriber.isLoggedIn) this.lost(subscription, 'forbidden')
      else this.#suspend(subscription)
    }
  }

  /** Ends everything: the connection is going away, or must not see anything any more. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.#quota.release('store', this.size)
    for (const subscription of this.#subscriptions.values()) subscription.suspend()
    this.#subscriptions.clear()
    this.#waiting.clear()
  }

  /** Pushes the feed's newest result, now or when it may. */
  push (subscription: Subscription): void {
    const mayPush = !this.#target.congested && this.#subscriber.mayPush()
    // Finding out whether it may can have ended or suspended it.
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
   * Asks whether the client may still watch what the subscription shows; if not, it ends, or goes on with
   * what the client may see now.
   */
  #isCurrent (subscription: Subscription): boolean {
    const scope = this.#subscriber.liveQueryScope(subscription.liveQuery.query)
    if (scope === undefined) this.lost(subscription, 'forbidden')
    else if (scope.key !== subscription.liveQuery.scope.key) subscription.follow(scope)
    else return true
    return false
  }

  /** A subscription ends by itself: its place is free, and the client is told. */
  lost (subscription: Subscription, reason: SubscriptionEnd): void {
    if (this.#subscriptions.get(subscription.id) !== subscription) return
    this.#drop(subscription)
    this.#ended.add(subscription.id)
    this.#target.send(
      encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId: subscription.id, reason })
    )
  }

  #suspend (subscription: Subscription): void {
    this.#waiting.delete(subscription)
    subscription.suspend()
  }

  #drop (subscription: Subscription): void {
    this.#suspend(subscription)
    this.#subscriptions.delete(subscription.id)
    this.#quota.release('store')
  }

  /**
   * Subscribers of a feed share its id, and so the frame; only a second subscription of one connection needs
   * its own.
   */
  #freeId (liveQuery: LiveQuery): string {
    return this.#subscriptions.has(liveQuery.id) || this.#ended.has(liveQuery.id)
      ? subscriptionId()
      : liveQuery.id
  }
}

/** Brings a subscription to its first result, unless the client may not see it any more when it is there. */
async function join (subscription: Subscription, liveQuery: LiveQuery, grant: Grant): Promise<void> {
  await subscription.join(liveQuery)
  try {
    grant.assertStillAllowed()
  } catch (error) {
    subscription.suspend()
    throw error
  }
}

/** One subscription: what it watches and what of it the client has been sent. */
class Subscription implements LiveQueryListener {
  id = ''
  /** The result that the client has. */
  sentText: string | undefined
  readonly #table: QuerySubscriptions
  /** Of one that is suspended: the feed that it has left. */
  #liveQuery!: LiveQuery
  #watching = false
  #active = false
  #lost: SubscriptionEnd | undefined

  constructor (table: QuerySubscriptions) {
    this.#table = table
  }

  get liveQuery (): LiveQuery {
    return this.#liveQuery
  }

  get isWatching (): boolean {
    return this.#watching
  }

  async join (liveQuery: LiveQuery): Promise<void> {
    this.#liveQuery = liveQuery
    this.#watching = true
    await liveQuery.join(this)
  }

  /**
   * Watches under this scope from now on; the client is sent the result as soon as it differs from what it
   * has.
   */
  follow (scope: Scope): void {
    if (this.#watching && scope.key === this.#liveQuery.scope.key) return
    this.suspend()
    this.#liveQuery = this.#liveQuery.under(scope)
    this.#watching = true
    this.#liveQuery.watch(this)
  }

  /** Watches nothing until `follow`. */
  suspend (): void {
    if (!this.#watching) return
    this.#watching = false
    this.#liveQuery.leave(this)
  }

  /** The reply with this result is on its way: from now on pushes may follow. */
  activate (text: string): void {
    this.#active = true
    this.sentText = text
    if (this.#lost !== undefined) this.#table.lost(this, this.#lost)
    else if (this.#watching && this.#liveQuery.hasResult) this.onChange()
  }

  onChange (): void {
    if (this.#active && this.#watching && this.sentText !== this.#liveQuery.text) this.#table.push(this)
  }

  onEnd (reason: SubscriptionEnd): void {
    this.#lost = reason
    if (this.#active) this.#table.lost(this, reason)
  }
}
