import { EndedSubscriptions, type SubscriptionOwner } from '../feeds/subscription-owner.js'
import type { SubscriptionQuota } from '../feeds/subscription-quota.js'
import type { Sink } from '../feeds/subscription-table.js'
import { subscriptionId } from '../feeds/feed.js'
import { EncodedJson, encodeNotice } from '../protocol/encode.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { EventFeed, EventListener } from './event-feed.js'
import type { EventFeeds } from './event-feeds.js'

/** Events that may wait for one client. More are counted, and the client is told how many it has missed. */
export const MAX_WAITING_EVENTS = 1_000

/** The bytes that they may have. */
export const MAX_WAITING_EVENT_BYTES = 1_048_576

/** Which topics of a pattern a client may hear: `below`: of `stem.*`, all but `stem` itself. */
export type Hearing = 'whole' | 'below'

/** Whose subscriptions they are, and what it may hear at the moment. */
export interface Hearer extends SubscriptionOwner {
  /** What of a pattern the client may hear; `undefined`: nothing. */
  hearing: (pattern: string) => Hearing | undefined
}

interface Waiting {
  readonly subscription: EventSubscription
  readonly push: string | Buffer
}

/** The subscriptions of one connection to rule events. */
export class EventSubscriptions {
  readonly #sink: Sink
  readonly #quota: SubscriptionQuota
  readonly #hearer: Hearer
  readonly #subscriptions = new Map<string, EventSubscription>()
  readonly #ended = new EndedSubscriptions()
  /** Events that came while the client did not read, or before it knew of its subscription; in order. */
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #closed = false

  constructor (sink: Sink, quota: SubscriptionQuota, hearer: Hearer) {
    this.#sink = sink
    this.#quota = quota
    this.#hearer = hearer
  }

  get size (): number {
    return this.#subscriptions.size
  }

  /** Throws `RATE_LIMITED` when there is no room for another subscription. */
  checkRoom (): void {
    this.#quota.check(this.#hearer.subscriptionCount)
  }

  /**
   * Subscribes to the events of a pattern and returns the reply. What happens from now on is pushed, after the reply.
   * @throws `RATE_LIMITED`, or what the engine throws
   */
  add (feeds: EventFeeds, pattern: string): EncodedJson {
    this.checkRoom()
    const subscription = new EventSubscription(this, feeds, pattern)
    const feed = subscription.follow(this.#hearer.hearing(pattern) ?? 'below')
    const id = subscription.id = this.#subscriptions.has(feed.id) || this.#ended.has(feed.id) ? subscriptionId() : feed.id
    this.#subscriptions.set(id, subscription)
    this.#quota.take('rules')
    return new EncodedJson(`{"subscriptionId":${JSON.stringify(id)}}`, () => {
      subscription.active = true
      this.resume()
    }, () => { this.remove(id) })
  }

  /** Ends a subscription. Returns whether there was one, or one that ended by itself and has not been unsubscribed since. */
  remove (id: string): boolean {
    const subscription = this.#subscriptions.get(id)
    if (subscription === undefined) return this.#ended.take(id)
    this.#drop(subscription)
    return true
  }

  /** Sends what had to wait, in order, and then how much of each subscription was missed. */
  resume (): void {
    if (this.#closed) return
    const waiting = this.#waiting
    this.#waiting = []
    let next = 0
    for (; next < waiting.length && this.#maySend(); next++) {
      const item = waiting[next] as Waiting
      // Sending may have ended subscriptions.
      if (!item.subscription.isListening) continue
      if (item.subscription.active) this.#send(item)
      else this.#waiting.push(item)
    }
    this.#setWaiting([...this.#waiting, ...waiting.slice(next)])
    if (this.#waiting.length === 0) this.#tellGaps()
  }

  /**
   * What the client may hear has changed, or who it is. Nothing is pushed any more that it may not hear: where nobody is
   * logged in, such subscriptions are silent until somebody is; otherwise they end. PROTOCOL.md, "Subscriptions".
   */
  review (): void {
    for (const subscription of [...this.#subscriptions.values()]) this.#isHeard(subscription)
  }

  /** Ends everything: the connection is going away, or must not hear anything any more. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.#quota.release('rules', this.size)
    for (const subscription of this.#subscriptions.values()) subscription.suspend()
    this.#subscriptions.clear()
    this.#setWaiting([])
  }

  /** An event of a subscription: pushed now, or when it may be. */
  hear (subscription: EventSubscription, topic: string, event: string | undefined): void {
    const maySend = this.#maySend()
    if (!subscription.isListening) return
    if (event === undefined) {
      subscription.missed++
      if (maySend && this.#waiting.length === 0) this.#tellGaps()
      return
    }
    const push = subscription.push(topic, event)
    if (subscription.active && maySend && subscription.missed === 0 && this.#waiting.length === 0) this.#send({ subscription, push })
    else this.#wait({ subscription, push })
  }

  /** Nobody may be sent what has waited for somebody else. */
  #maySend (): boolean {
    return !this.#sink.congested && this.#hearer.mayPush()
  }

  #send ({ subscription, push }: Waiting): void {
    if (this.#hearer.isVolatile && !this.#isHeard(subscription)) {
      // It goes on with other topics: whether this event is one of them is not known any more.
      if (subscription.isListening) subscription.missed++
      return
    }
    if (typeof push === 'string') this.#sink.send(push)
    else this.#sink.sendFrame(push)
    this.#quota.pushes.rules++
  }

  #wait (item: Waiting): void {
    const { subscription, push } = item
    const isFull = this.#waiting.length >= MAX_WAITING_EVENTS || this.#waitingBytes + push.length > MAX_WAITING_EVENT_BYTES
    // What follows a gap belongs behind the notice of it.
    if (isFull || subscription.missed > 0) {
      subscription.missed++
    } else {
      this.#waiting.push(item)
      this.#waitingBytes += push.length
    }
  }

  #tellGaps (): void {
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.missed === 0 || !subscription.active) continue
      this.#sink.send(encodeNotice({ type: 'system', event: 'gap', subscriptionId: subscription.id, count: subscription.missed }))
      subscription.missed = 0
    }
  }

  /** Asks whether the client may hear the subscription as it is; if not, it goes on with what it may hear, is silent, or ends. */
  #isHeard (subscription: EventSubscription): boolean {
    const hearing = this.#hearer.hearing(subscription.pattern)
    if (subscription.isListening && hearing === subscription.hearing) return true
    if (hearing !== undefined) this.#follow(subscription, hearing)
    else if (this.#hearer.isLoggedIn) this.#lose(subscription, 'forbidden')
    else this.#silence(subscription)
    return false
  }

  /** Goes on with other topics. Where the engine does not let the server listen, the subscription ends. */
  #follow (subscription: EventSubscription, hearing: Hearing): void {
    try {
      subscription.follow(hearing)
    } catch (error) {
      subscription.tellFailure(error)
      this.#lose(subscription, 'failed')
    }
  }

  /** Events that happen meanwhile are not sent later. */
  #silence (subscription: EventSubscription): void {
    subscription.suspend()
    subscription.missed = 0
    this.#setWaiting(this.#waiting)
  }

  /** A subscription ends by itself: its place is free, and the client is told. */
  #lose (subscription: EventSubscription, reason: SubscriptionEnd): void {
    this.#drop(subscription)
    this.#ended.add(subscription.id)
    const { id: subscriptionId } = subscription
    this.#sink.send(encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId, reason }))
  }

  #drop (subscription: EventSubscription): void {
    this.#silence(subscription)
    this.#subscriptions.delete(subscription.id)
    this.#quota.release('rules')
  }

  /** Without the events of those that listen no more. */
  #setWaiting (items: readonly Waiting[]): void {
    this.#waiting = items.filter(({ subscription }) => subscription.isListening)
    this.#waitingBytes = this.#waiting.reduce((sum, { push }) => sum + push.length, 0)
  }
}

/** One subscription to the events of a pattern. */
class EventSubscription implements EventListener {
  id = ''
  /** Whether the client knows of it. */
  active = false
  /** Events that there was no room for. */
  missed = 0
  hearing: Hearing | undefined
  readonly pattern: string
  readonly #table: EventSubscriptions
  readonly #feeds: EventFeeds
  #feed: EventFeed | undefined

  constructor (table: EventSubscriptions, feeds: EventFeeds, pattern: string) {
    this.#table = table
    this.#feeds = feeds
    this.pattern = pattern
  }

  get isListening (): boolean {
    return this.#feed !== undefined
  }

  /** Hears so much of the pattern from now on. */
  follow (hearing: Hearing): EventFeed {
    const before = this.#feed
    // The new one first: the server goes on listening to the engine.
    this.#feed = this.#feeds.join(this.pattern, hearing === 'whole', this)
    this.hearing = hearing
    if (before !== undefined && before !== this.#feed) this.#feeds.leave(before, this)
    return this.#feed
  }

  /** Logs why it cannot go on. */
  tellFailure (error: unknown): void {
    this.#feeds.tellFailure(error, this.pattern)
  }

  /** Hears nothing until `follow`. */
  suspend (): void {
    if (this.#feed === undefined) return
    this.#feeds.leave(this.#feed, this)
    this.#feed = undefined
  }

  push (topic: string, event: string): string | Buffer {
    return (this.#feed as EventFeed).push(this.id, topic, event)
  }

  heard (topic: string, event: string | undefined): void {
    this.#table.hear(this, topic, event)
  }
}
