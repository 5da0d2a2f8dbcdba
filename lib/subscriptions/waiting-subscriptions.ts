import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import type { LiveQueries } from './live-queries.js'
import type { Receiver } from './publisher.js'
import { PushRound } from './push-round.js'
import type { QuerySubscription } from './query-subscription.js'
import type { PushTarget } from './subscriber.js'

/**
 * Time for which the results of a connection wait for one that is being evaluated, so that all are shown at
 * one revision, in milliseconds.
 */
const MAX_HOLD_MS = 100

/** All subscriptions of the connection, with its rights. */
export interface WaitingHost {
  /** Whether at least one takes deltas. */
  readonly hasDeltas: boolean
  /** Whether a result is being brought up to date. */
  readonly isAwaiting: boolean
  /** Whether pushes may be sent now; if not, `resume` is called once they may. */
  mayPush: () => boolean
  /**
   * Whether the client may still read the same records; if not, the subscription ends or changes its scope.
   */
  isCurrent: (subscription: QuerySubscription) => boolean
}

/** The subscriptions of one connection that wait to be shown something: the publisher has them flushed. */
export class WaitingSubscriptions implements Receiver {
  readonly #host: WaitingHost
  readonly #target: PushTarget
  readonly #quota: SubscriptionQuota
  readonly #liveQueries: LiveQueries
  readonly #waiting = new Set<QuerySubscription>()
  /** While results wait for another one: ends that. */
  #hold: { readonly until: number, readonly cancel: () => void } | undefined
  #isClosed = false

  constructor (
    host: WaitingHost, target: PushTarget, quota: SubscriptionQuota, liveQueries: LiveQueries
  ) {
    this.#host = host
    this.#target = target
    this.#quota = quota
    this.#liveQueries = liveQueries
  }

  add (subscription: QuerySubscription): void {
    this.#waiting.add(subscription)
    this.#liveQueries.publisher.flush(this)
  }

  delete (subscription: QuerySubscription): void {
    this.#waiting.delete(subscription)
    subscription.interval?.cancel()
  }

  /** Pushes the newest results of those that have waited. */
  resume (): void {
    if (this.#waiting.size > 0) this.#liveQueries.publisher.flushNow(this)
  }

  /** Pushes nothing any more. */
  close (): void {
    this.#isClosed = true
    this.#hold?.cancel()
  }

  isCatchingUp (revision: number): boolean {
    for (const subscription of this.#waiting) if (subscription.isCatchingUp(revision)) return true
    return false
  }

  flush (revision: number): boolean {
    if (this.#isClosed || this.#waiting.size === 0) return true
    // When the client has read, or its session is confirmed, `resume` is called.
    if (this.#target.isCongested || !this.#host.mayPush()) return true
    if (this.#host.hasDeltas && this.#isHeld()) return true
    if (this.#waiting.size === 1 && this.#sendShared(revision)) return true
    const round = new PushRound(this.#target, revision)
    const added: QuerySubscription[] = []
    for (const subscription of [...this.#waiting]) {
      // `mayPush` may have ended the session, and with it the subscription.
      if (!subscription.isReady) this.#waiting.delete(subscription)
      else if (!round.isFull && this.#host.isCurrent(subscription) && this.#isDue(subscription)) {
        if (this.#addTo(round, subscription)) added.push(subscription)
      }
    }
    if (round.isLate) return false
    for (const subscription of added) this.#waiting.delete(subscription)
    for (const subscription of round.send()) {
      this.#quota.pushes.store++
      subscription.interval?.begin()
    }
    return !round.isFull
  }

  /**
   * Sends the frame that others get too, where nothing else is to be sent: most receivers of a change come
   * here. Returns whether it has been sent.
   */
  #sendShared (revision: number): boolean {
    const [subscription] = this.#waiting
    if (subscription?.isReady !== true || subscription.interval !== undefined) return false
    if (!subscription.isSharing(revision) || !this.#host.isCurrent(subscription)) return false
    this.#waiting.delete(subscription)
    subscription.sendShared(this.#target, false)
    this.#quota.pushes.store++
    return true
  }

  #addTo (round: PushRound, subscription: QuerySubscription): boolean {
    try {
      return round.add(subscription)
    } catch (error) {
      // The result cannot be encoded.
      subscription.liveQuery.onFailure(error)
      return true
    }
  }

  /** Whether results wait for another one, so that all are shown at one revision. */
  #isHeld (): boolean {
    const { clock, publisher } = this.#liveQueries
    if (!this.#host.isAwaiting) {
      this.#hold?.cancel()
      this.#hold = undefined
      return false
    }
    if (this.#hold === undefined) {
      const cancel = clock.after(MAX_HOLD_MS, () => { publisher.flush(this) })
      this.#hold = { until: clock.ticks() + MAX_HOLD_MS, cancel }
      return true
    }
    return clock.ticks() < this.#hold.until
  }

  /** Whether the client has waited long enough since its last push; if not, it waits anew from then on. */
  #isDue (subscription: QuerySubscription): boolean {
    if (subscription.interval?.isOver(() => { subscription.onChange() }) !== false) return true
    this.#waiting.delete(subscription)
    return false
  }
}
