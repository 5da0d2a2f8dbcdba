import { EndedSubscriptions, type Subscriber } from './subscriber.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import type { PushTarget } from './query-subscriptions.js'
import { subscriptionId } from './live-query.js'
import { EncodedJson, encodeNotice } from '../protocol/encode.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { EventChannel, EventListener } from './event-channel.js'
import type { EventChannels } from './event-channels.js'

/**
 * Rule events that wait for one client.
 * @limit the system event `gap` tells how many are missing
 */
export const MAX_WAITING_EVENTS = 1_000

/**
 * Bytes of the rule events that wait for one client.
 * @limit the system event `gap` tells how many are missing
 */
export const MAX_WAITING_EVENT_BYTES = 1_048_576

/** Which topics of a pattern a client may hear: `below`: of `stem.*`, all but `stem` itself. */
export type TopicScope = 'whole' | 'below'

/** Whose subscriptions they are, and what it may hear at the moment. */
export interface EventSubscriber extends Subscriber {
  /** What of a pattern the client may hear; `undefined`: nothing. */
  topicScope: (pattern: string) => TopicScope | undefined
}

interface Waiting {
  readonly subscription: EventSubscription
  readonly push: string | Buffer
}

/** The subscriptions of one connection to rule events. */
export class EventSubscriptions {
  readonly #target: PushTarget
  readonly #quota: SubscriptionQuota
  readonly #subscriber: EventSubscriber
  readonly #subscriptions = new Map<string, EventSubscription>()
  readonly #ended = new EndedSubscriptions()
  /** Events that came while the client did not read, or before it knew of its subscription; in order. */
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #closed = false

  constructor (target: PushTarget, quota: SubscriptionQuota, subscriber: EventSubscriber) {
    this.#target = target
    this.#quota = quota
    this.#subscriber = subscriber
  }

  get size (): number {
    return this.#subscriptions.size
  }

  /** Throws `RATE_LIMITED` when there is no room for another subscription. */
  checkRoom (): void {
    this.#quota.check(this.#subscriber.subscriptionCount)
  }

  /**
   * Subscribes to the events of a pattern and returns the reply. What happens from now on is pushed, after
   * the reply.
   * @throws `RATE_LIMITED`, or what the engine throws
   */
  add (channels: EventChannels, pattern: string): EncodedJson {
    this.checkRoom()
    const subscription = new EventSubscription(this, channels, pattern)
    const channel = subscription.follow(this.#subscriber.topicScope(pattern) ?? 'below')
    const id = (subscription.id =
      this.#subscriptions.has(channel.id) || this.#ended.has(channel.id) ? subscriptionId() : channel.id)
    this.#subscriptions.set(id, subscription)
    this.#quota.take('rules')
    return new EncodedJson(`{"subscriptionId":${JSON.stringify(id)}}`, () => {
      subscription.active = true
      this.resume()
    }, () => { this.remove(id) })
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
   * What the client may hear has changed, or who it is. Nothing is pushed any more that it may not hear:
   * where nobody is logged in, such subscriptions are silent until somebody is; otherwise they end.
   * PROTOCOL.md, "Subscriptions".
   */
  review (): void {
    for (const subscription of [...this.#subscriptions.values()]) this.#isStillAllowed(subscription)
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
  onEvent (subscription: EventSubscription, topic: string, event: string | undefined): void {
    const maySend = this.#maySend()
    if (!subscription.isListening) return
    if (event === undefined) {
      subscription.missed++
      if (maySend && this.#waiting.length === 0) this.#tellGaps()
      return
    }
    const push = subscription.push(topic, event)
    if (subscription.active && maySend && subscription.missed === 0 && this.#waiting.length === 0) {
      this.#send({ subscription, push })
    } else {
      this.#wait({ subscription, push })
    }
  }

  /** Nobody may be sent what has waited for somebody else. */
  #maySend (): boolean {
    return !this.#target.congested && this.#subscriber.mayPush()
  }

  #send ({ subscription, push }: Waiting): void {
    if (this.#subscriber.isVolatile && !this.#isStillAllowed(subscription)) {
      // It goes on with other topics: whether this event is one of them is not known any more.
      if (subscription.isListening) subscription.missed++
      return
    }
    if (typeof push === 'string') this.#target.send(push)
    else this.#target.sendFrame(push)
    this.#quota.pushes.rules++
  }

  #wait (item: Waiting): void {
    const { subscription, push } = item
    const isFull =
      this.#waiting.length >= MAX_WAITING_EVENTS || this.#waitingBytes + push.length > MAX_WAITING_EVENT_BYTES
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
      this.#target.send(
        encodeNotice({
          type: 'system',
          event: 'gap',
          subscriptionId: subscription.id,
          count: subscription.missed
        })
      )
      subscription.missed = 0
    }
  }

  /**
   * Asks whether the client may hear the subscription as it is; if not, it goes on with what it may hear, is
   * silent, or ends.
   */
  #isStillAllowed (subscription: EventSubscription): boolean {
    const topicScope = this.#subscriber.topicScope(subscription.pattern)
    if (subscription.isListening && topicScope === subscription.topicScope) return true
    if (topicScope !== undefined) this.#follow(subscription, topicScope)
    else if (this.#subscriber.isLoggedIn) this.#lose(subscription, 'forbidden')
    else this.#silence(subscription)
    return false
  }

  /** Goes on with other topics. Where the engine does not let the server listen, the subscription ends. */
  #follow (subscription: EventSubscription, topicScope: TopicScope): void {
    try {
      subscription.follow(topicScope)
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
    this.#target.send(encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId, reason }))
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
  topicScope: TopicScope | undefined
  readonly pattern: string
  readonly #table: EventSubscriptions
  readonly #channels: EventChannels
  #channel: EventChannel | undefined

  constructor (table: EventSubscriptions, channels: EventChannels, pattern: string) {
    this.#table = table
    this.#channels = channels
    this.pattern = pattern
  }

  get isListening (): boolean {
    return this.#channel !== undefined
  }

  /** Hears so much of the pattern from now on. */
  follow (topicScope: TopicScope): EventChannel {
    const before = this.#channel
    // The new one first: the server goes on listening to the engine.
    this.#channel = this.#channels.join(this.pattern, topicScope === 'whole', this)
    this.topicScope = topicScope
    if (before !== undefined && before !== this.#channel) this.#channels.leave(before, this)
    return this.#channel
  }

  /** Logs why it cannot go on. */
  tellFailure (error: unknown): void {
    this.#channels.tellFailure(error, this.pattern)
  }

  /** Hears nothing until `follow`. */
  suspend (): void {
    if (this.#channel === undefined) return
    this.#channels.leave(this.#channel, this)
    this.#channel = undefined
  }

  push (topic: string, event: string): string | Buffer {
    return (this.#channel as EventChannel).push(this.id, topic, event)
  }

  onEvent (topic: string, event: string | undefined): void {
    this.#table.onEvent(this, topic, event)
  }
}
