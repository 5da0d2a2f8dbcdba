import { NoexServerError } from '../errors.js'
import { EncodedJson, encodeNotice } from '../protocol/encode.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { subscriptionId, type Feed, type Subscriber } from './feed.js'
import type { Feeds } from './feeds.js'

/** Ids of ended subscriptions that a connection may still unsubscribe from; older ones are forgotten. */
const MAX_ENDED = 100

/** Where pushes go: the outbox of a connection. */
export interface Sink {
  /** Whether so much waits for the client that pushes must wait too. */
  readonly congested: boolean
  send: (text: string) => void
  sendFrame: (frame: Buffer) => void
}

/** Counts the subscriptions of all connections, so that the limits cost the same however many there are. */
export class SubscriptionQuota {
  readonly #perConnection: number
  readonly #total: number
  #taken = 0

  constructor (limits: { readonly maxSubscriptionsPerConnection: number, readonly maxTotalSubscriptions: number }) {
    this.#perConnection = limits.maxSubscriptionsPerConnection
    this.#total = limits.maxTotalSubscriptions
  }

  get taken (): number {
    return this.#taken
  }

  /** Throws `RATE_LIMITED` when a connection that has `count` subscriptions may not have another. */
  check (count: number): void {
    if (count >= this.#perConnection) {
      throw new NoexServerError('RATE_LIMITED', `Subscription limit of ${this.#perConnection} per connection is reached`)
    }
    if (this.#taken >= this.#total) {
      throw new NoexServerError('RATE_LIMITED', `Global subscription limit of ${this.#total} is reached`)
    }
  }

  take (): void {
    this.#taken++
  }

  release (count = 1): void {
    this.#taken -= count
  }
}

/** The subscriptions of one connection. */
export class SubscriptionTable {
  readonly #sink: Sink
  readonly #quota: SubscriptionQuota
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #ended = new Set<string>()
  readonly #waiting = new Set<Subscription>()
  /** Subscriptions whose first result is being evaluated; they count already. */
  #joining = 0
  #closed = false

  constructor (sink: Sink, quota: SubscriptionQuota) {
    this.#sink = sink
    this.#quota = quota
  }

  get size (): number {
    return this.#subscriptions.size + this.#joining
  }

  /** Throws `RATE_LIMITED` when there is no room for another subscription. */
  checkRoom (): void {
    this.#quota.check(this.size)
  }

  /**
   * Subscribes and returns the reply: the id and the current result. Pushes start when the reply has been sent.
   * @throws `RATE_LIMITED`, `QUERY_NOT_DEFINED`, `BUCKET_NOT_DEFINED`, or what the query throws
   */
  async add (feeds: Feeds, query: string, params: unknown): Promise<EncodedJson> {
    this.checkRoom()
    // Taken before the first wait: what is only counted afterwards can be overrun.
    this.#quota.take()
    this.#joining++
    const feed = feeds.feed(query, params)
    const subscription = new Subscription(feed, this)
    try {
      await feed.join(subscription)
    } catch (error) {
      if (!this.#closed) this.#quota.release()
      throw error
    } finally {
      this.#joining--
    }
    if (this.#closed) feed.leave(subscription)
    else this.#subscriptions.set(subscription.id = this.#freeId(feed), subscription)
    const { version } = feed
    return new EncodedJson(`{"subscriptionId":${JSON.stringify(subscription.id)},"data":${feed.text}}`, () => { subscription.activate(version) })
  }

  /** Ends a subscription. Returns whether there was one, or one that ended by itself and has not been unsubscribed since. */
  remove (id: string): boolean {
    const subscription = this.#subscriptions.get(id)
    if (subscription === undefined) return this.#ended.delete(id)
    this.#drop(subscription)
    subscription.feed.leave(subscription)
    return true
  }

  /** Sends the newest results that had to wait for the sink to drain. */
  resume (): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const subscription of waiting) subscription.changed()
  }

  /** Ends everything: the connection is going away. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.#quota.release(this.size)
    for (const subscription of this.#subscriptions.values()) subscription.feed.leave(subscription)
    this.#subscriptions.clear()
    this.#waiting.clear()
  }

  /** Pushes the feed's newest result, now or when the sink has drained. */
  push (subscription: Subscription): void {
    if (this.#sink.congested) {
      this.#waiting.add(subscription)
      return
    }
    this.#sink.sendFrame(subscription.feed.frame(subscription.id))
    subscription.sentVersion = subscription.feed.version
  }

  /** A subscription has lost its query or a bucket of it: its place is free, and the client is told. */
  lost (subscription: Subscription, reason: SubscriptionEnd): void {
    if (this.#subscriptions.get(subscription.id) !== subscription) return
    this.#drop(subscription)
    this.#ended.add(subscription.id)
    const [oldest] = this.#ended
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest)
    this.#sink.send(encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId: subscription.id, reason }))
  }

  #drop (subscription: Subscription): void {
    this.#subscriptions.delete(subscription.id)
    this.#waiting.delete(subscription)
    this.#quota.release()
  }

  /** Subscribers of a feed share its id, and so the frame; only a second subscription of one connection needs its own. */
  #freeId (feed: Feed): string {
    return this.#subscriptions.has(feed.id) || this.#ended.has(feed.id) ? subscriptionId() : feed.id
  }
}

/** One subscription: what it watches and how much of it the client has been sent. */
class Subscription implements Subscriber {
  readonly feed: Feed
  id = ''
  sentVersion = 0
  readonly #table: SubscriptionTable
  #active = false
  #lost: SubscriptionEnd | undefined

  constructor (feed: Feed, table: SubscriptionTable) {
    this.feed = feed
    this.#table = table
  }

  /** The reply with result `version` is on its way: from now on pushes may follow. */
  activate (version: number): void {
    this.#active = true
    this.sentVersion = version
    if (this.#lost !== undefined) this.#table.lost(this, this.#lost)
    else this.changed()
  }

  changed (): void {
    if (this.#active && this.sentVersion !== this.feed.version) this.#table.push(this)
  }

  ended (reason: SubscriptionEnd): void {
    this.#lost = reason
    if (this.#active) this.#table.lost(this, reason)
  }
}
