import { firstOf, SubscriptionsById, type Subscriber, type SubscriptionInfo } from './subscriber.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import type { PushTarget } from './subscriber.js'
import type { TopicScope } from '../permissions/policy.js'
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
const MAX_WAITING_EVENT_BYTES = 1_048_576

/** The owner of event subscriptions, with its present rights. */
export interface EventSubscriber extends Subscriber {
  /** Returns the topics of a pattern that the client may receive; `undefined`: none. */
  topicScope: (pattern: string) => TopicScope | undefined
}

interface Waiting {
  readonly subscription: EventSubscription
  readonly push: string | Buffer
}

/** The subscriptions of one connection to rule events. */
export class EventSubscriptions extends SubscriptionsById<EventSubscription> {
  readonly #target: PushTarget
  readonly #quota: SubscriptionQuota
  readonly #subscriber: EventSubscriber
  /** Events that wait until the client reads, or has the reply to its subscription; in order. */
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #isClosed = false

  constructor (target: PushTarget, quota: SubscriptionQuota, subscriber: EventSubscriber) {
    super()
    this.#target = target
    this.#quota = quota
    this.#subscriber = subscriber
  }

  get size (): number {
    return this.byId.size
  }

  /** Returns the first `max` of them, for operators. */
  infos (max: number): SubscriptionInfo[] {
    return firstOf(this.byId.values(), max).map(({ id, pattern, askedAt }) =>
      ({ subscriptionId: id, kind: 'rules', topic: pattern, since: askedAt }))
  }

  /** @throws `RATE_LIMITED` when the quota allows no further subscription */
  checkQuota (): void {
    this.#quota.check(this.#subscriber.subscriptionCount)
  }

  /**
   * Subscribes to the events of a pattern and returns the reply. Events from now on are pushed after the
   * reply.
   * @throws `RATE_LIMITED`, or the error of the engine
   */
  add (channels: EventChannels, pattern: string): EncodedJson {
    this.checkQuota()
    const subscription = new EventSubscription(this, channels, pattern, this.#subscriber.now())
    const channel = subscription.follow(this.#subscriber.topicScope(pattern) ?? 'below')
    const id = subscription.id = this.freeId(channel.id)
    this.byId.set(id, subscription)
    this.#quota.take('rules')
    return new EncodedJson(`{"subscriptionId":${JSON.stringify(id)}}`, () => {
      subscription.isActive = true
      this.resume()
    }, () => { this.remove(id) })
  }

  /** Sends the waiting events, in order, and then the number of events that each subscription has missed. */
  resume (): void {
    if (this.#isClosed) return
    const waiting = this.#waiting
    this.#waiting = []
    let next = 0
    for (; next < waiting.length && this.#maySend(); next++) {
      const item = waiting[next] as Waiting
      // Sending may have ended subscriptions.
      if (!item.subscription.isListening) continue
      if (item.subscription.isActive) this.#send(item)
      else this.#waiting.push(item)
    }
    this.#setWaiting([...this.#waiting, ...waiting.slice(next)])
    if (this.#waiting.length === 0) this.#notifyGaps()
  }

  /**
   * Applies a change of the session or its rights: subscriptions that are not allowed any more end; without a
   * login, they are suspended until there is one. PROTOCOL.md, "Subscriptions".
   */
  review (): void {
    for (const subscription of [...this.byId.values()]) this.#isStillAllowed(subscription)
  }

  /** Ends all subscriptions for good. */
  close (): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#quota.release('rules', this.size)
    for (const subscription of this.byId.values()) subscription.suspend()
    this.byId.clear()
    this.#setWaiting([])
  }

  /** Pushes an event of a subscription, now or when it may be. */
  onEvent (subscription: EventSubscription, topic: string, event: string | undefined): void {
    const maySend = this.#maySend()
    if (!subscription.isListening) return
    if (event === undefined) {
      subscription.missed++
      if (maySend && this.#waiting.length === 0) this.#notifyGaps()
      return
    }
    const push = subscription.push(topic, event)
    if (subscription.isActive && maySend && subscription.missed === 0 && this.#waiting.length === 0) {
      this.#send({ subscription, push })
    } else {
      this.#wait({ subscription, push })
    }
  }

  #maySend (): boolean {
    return !this.#target.isCongested && this.#subscriber.mayPush()
  }

  #send ({ subscription, push }: Waiting): void {
    if (this.#subscriber.isVolatile && !this.#isStillAllowed(subscription)) {
      // The subscription goes on with other topics; this event may be one of them.
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
    // Events after a gap must follow its notice.
    if (isFull || subscription.missed > 0) {
      subscription.missed++
    } else {
      this.#waiting.push(item)
      this.#waitingBytes += push.length
    }
  }

  #notifyGaps (): void {
    for (const subscription of this.byId.values()) {
      if (subscription.missed === 0 || !subscription.isActive) continue
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
   * Whether the client may still receive all topics of the subscription; if not, it goes on with fewer, is
   * suspended, or ends.
   */
  #isStillAllowed (subscription: EventSubscription): boolean {
    const topicScope = this.#subscriber.topicScope(subscription.pattern)
    if (subscription.isListening && topicScope === subscription.topicScope) return true
    if (topicScope !== undefined) this.#follow(subscription, topicScope)
    else if (this.#subscriber.isLoggedIn) this.#end(subscription, 'forbidden')
    else this.#suspend(subscription)
    return false
  }

  /** Continues with other topics. When the engine refuses, the subscription ends. */
  #follow (subscription: EventSubscription, topicScope: TopicScope): void {
    try {
      subscription.follow(topicScope)
    } catch (error) {
      subscription.logFailure(error)
      this.#end(subscription, 'failed')
    }
  }

  /** Suspends a subscription; events that happen meanwhile are not sent later. */
  #suspend (subscription: EventSubscription): void {
    subscription.suspend()
    subscription.missed = 0
    this.#setWaiting(this.#waiting)
  }

  /** Ends a subscription, which frees its slot, and notifies the client. */
  #end (subscription: EventSubscription, reason: SubscriptionEnd): void {
    this.drop(subscription)
    this.ended.add(subscription.id)
    const { id: subscriptionId } = subscription
    this.#target.send(encodeNotice({ type: 'system', event: 'subscription_closed', subscriptionId, reason }))
  }

  protected drop (subscription: EventSubscription): void {
    this.#suspend(subscription)
    this.byId.delete(subscription.id)
    this.#quota.release('rules')
  }

  /** Replaces the waiting events, without those of subscriptions that are not listening. */
  #setWaiting (items: readonly Waiting[]): void {
    this.#waiting = items.filter(({ subscription }) => subscription.isListening)
    this.#waitingBytes = this.#waiting.reduce((sum, { push }) => sum + push.length, 0)
  }
}

/** One subscription to the events of a pattern. */
class EventSubscription implements EventListener {
  id = ''
  /** Whether the reply with its id has been sent. */
  isActive = false
  /** The number of events that were not sent. */
  missed = 0
  topicScope: TopicScope | undefined
  readonly pattern: string
  /** The time at which it was asked for, in epoch milliseconds. */
  readonly askedAt: number
  readonly #owner: EventSubscriptions
  readonly #channels: EventChannels
  #channel: EventChannel | undefined

  constructor (table: EventSubscriptions, channels: EventChannels, pattern: string, askedAt: number) {
    this.#owner = table
    this.#channels = channels
    this.pattern = pattern
    this.askedAt = askedAt
  }

  get isListening (): boolean {
    return this.#channel !== undefined
  }

  /** Receives these topics of the pattern from now on. */
  follow (topicScope: TopicScope): EventChannel {
    const before = this.#channel
    // The new one first: the server goes on listening to the engine.
    this.#channel = this.#channels.join(this.pattern, topicScope === 'whole', this)
    this.topicScope = topicScope
    if (before !== undefined && before !== this.#channel) this.#channels.leave(before, this)
    return this.#channel
  }

  logFailure (error: unknown): void {
    this.#channels.logFailure(error, this.pattern)
  }

  /** Receives nothing until `follow`. */
  suspend (): void {
    if (this.#channel === undefined) return
    this.#channels.leave(this.#channel, this)
    this.#channel = undefined
  }

  push (topic: string, event: string): string | Buffer {
    return (this.#channel as EventChannel).push(this.id, topic, event)
  }

  onEvent (topic: string, event: string | undefined): void {
    this.#owner.onEvent(this, topic, event)
  }
}
