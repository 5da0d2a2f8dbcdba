import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import { encodeNotice } from '../protocol/encode.js'
import type { LiveQueries } from './live-queries.js'
import type { Receiver } from './publisher.js'
import { PushRound } from './push-round.js'
import type { QuerySubscription } from './query-subscription.js'
import { RevisionNotice } from './revision-notice.js'
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
  /**
   * Returns the revision of which all subscriptions show at least the state, where the present results are of
   * `revision` and `waiting` are yet to be shown something; Infinity where there are none.
   */
  shownTo: (revision: number, waiting: ReadonlySet<QuerySubscription>) => number
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
  #hold: { readonly isOver: boolean, readonly cancel: () => void } | undefined
  /** While the client waits for the notice of a revision. */
  #notice: RevisionNotice | undefined
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
    this.look()
  }

  /**
   * Notifies the client when all subscriptions have been shown a state of at least `revision`. PROTOCOL.md,
   * "Own changes".
   */
  announce (revision: number): void {
    if (this.#isClosed) return
    const { publisher } = this.#liveQueries
    if (this.#notice === undefined) publisher.announcing++
    this.#notice ??= new RevisionNotice()
    this.#notice.add(revision)
    if (!this.#notify(this.#notice, publisher.revision ?? 0)) publisher.flush(this)
  }

  /** Looks in the next round whether the notice is due: a result has come, or is not waited for any more. */
  look (): void {
    if (this.#notice !== undefined) this.#liveQueries.publisher.flush(this)
  }

  /** Pushes the newest results of those that have waited. */
  resume (): void {
    if (this.#waiting.size > 0 || this.#notice !== undefined) this.#liveQueries.publisher.flushNow(this)
  }

  /** Pushes nothing any more. */
  close (): void {
    this.#isClosed = true
    this.#hold?.cancel()
    this.#endNotice()
  }

  isCatchingUp (revision: number): boolean {
    for (const subscription of this.#waiting) if (subscription.isCatchingUp(revision)) return true
    return false
  }

  flush (revision: number): boolean {
    const isDone = this.#push(revision)
    return this.#notice === undefined ? isDone : this.#notify(this.#notice, revision) && isDone
  }

  #push (revision: number): boolean {
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

  /**
   * Sends the notice where all subscriptions have been shown its revision. Returns whether the next round has
   * nothing to do for it: then it is sent, or `look` or `resume` will be called.
   */
  #notify (notice: RevisionNotice, revision: number): boolean {
    if (this.#waiting.size > 0 && this.#target.isCongested) return true
    const shown = notice.take(this.#host.shownTo(revision, this.#waiting))
    if (shown !== undefined) {
      this.#target.send(encodeNotice({ type: 'system', event: 'revision', revision: shown }))
    }
    if (notice.dueAt === Infinity) {
      this.#endNotice()
      return true
    }
    // The next round is of a later revision, or publishes what has changed.
    return revision >= notice.dueAt && !this.#liveQueries.publisher.hasChanged
  }

  #endNotice (): void {
    if (this.#notice === undefined) return
    this.#notice = undefined
    this.#liveQueries.publisher.announcing--
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
      const hold = this.#hold = { isOver: false as boolean, cancel: () => {} }
      hold.cancel = clock.after(MAX_HOLD_MS, () => {
        // By the timer, and not by the time: it may be a fraction of a millisecond early.
        hold.isOver = true
        publisher.flush(this)
      })
    }
    return !this.#hold.isOver
  }

  /** Whether the client has waited long enough since its last push; if not, it waits anew from then on. */
  #isDue (subscription: QuerySubscription): boolean {
    if (subscription.interval?.isOver(() => { subscription.onChange() }) !== false) return true
    this.#waiting.delete(subscription)
    return false
  }
}
