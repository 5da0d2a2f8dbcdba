import type { Scope } from '../permissions/policy.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { Clock } from '../util/clock.js'
import type { WholeResult } from './encoded-result.js'
import type { LiveQuery } from './live-query.js'
import type { LiveQueryListener } from './live-query-listeners.js'
import type { LiveRequest } from './live-request.js'
import type { Position } from './publication.js'
import { PushInterval } from './push-interval.js'
import type { PushTarget } from './subscriber.js'

/** How a client wants to be told of changes. */
export interface SubscriptionOptions {
  /** Whether it takes deltas. */
  readonly isDelta: boolean
  /** With `isDelta`: whether it is sent complete results in their place. */
  readonly isComplete?: boolean
  /** Least time between two pushes, in milliseconds. */
  readonly minIntervalMs: number
}

/** The subscriptions of the same connection. */
export interface SubscriptionHost {
  /** Shows the subscription's changes together with those of the others of its connection. */
  changed: (subscription: QuerySubscription) => void
  /** Called when a live query has been evaluated or has failed, while a revision is to be announced. */
  evaluated: () => void
  /** Ends a subscription and notifies the client. */
  end: (subscription: QuerySubscription, reason: SubscriptionEnd) => void
}

/** One subscription to a live query, and the result that the client has. */
export class QuerySubscription implements LiveQueryListener {
  id = ''
  /** The time at which it was asked for, in epoch milliseconds. */
  askedAt = 0
  readonly request: LiveRequest
  readonly isDelta: boolean
  readonly isComplete: boolean
  /** The least time between two pushes, where there is one. */
  readonly interval: PushInterval | undefined
  /** The result that the client has; `undefined` where only a complete one can follow. */
  position: Position | undefined
  /** The version of the result that the client has, of its present live query; -1 for none. */
  sentVersion = -1
  /** A complete result that has been encoded for the client. */
  whole: WholeResult | undefined
  /** The complete result that is being encoded for the client. */
  encoding: Promise<WholeResult> | undefined
  readonly #host: SubscriptionHost
  /** While suspended, the live query that it has left. */
  #liveQuery!: LiveQuery
  #isWatching = false
  #isActive = false
  /** Whether the result of its live query may be older than the one that the client has. */
  #isStale = false
  #endReason: SubscriptionEnd | undefined
  /** A digest of the result that the client had before a pause. */
  #shown: string | undefined

  constructor (
    host: SubscriptionHost, request: LiveRequest, options: SubscriptionOptions, clock: Clock
  ) {
    const { isDelta, isComplete = false, minIntervalMs } = options
    this.#host = host
    this.request = request
    this.isDelta = isDelta
    this.isComplete = isComplete
    this.interval = minIntervalMs > 0 ? new PushInterval(minIntervalMs, clock) : undefined
  }

  get liveQuery (): LiveQuery {
    return this.#liveQuery
  }

  get isWatching (): boolean {
    return this.#isWatching
  }

  /** Whether there may be something to show, and pushes are allowed. */
  get isReady (): boolean {
    return this.#isActive && this.#isWatching && !this.#isStale && this.#liveQuery.hasResult
  }

  /** Whether its result is being brought up to date, so that what is shown now would be of an older state. */
  get isAwaited (): boolean {
    if (!this.#isActive || !this.#isWatching || this.#liveQuery.isFailing) return false
    return this.#isStale || this.#liveQuery.source.isBehind
  }

  /**
   * Returns the revision of which it shows at least the state, where the present results are of `revision`;
   * `isWaiting`: it is yet to be shown something. Infinity while it shows nothing, for a query that has
   * failed, and where the client has asked to be shown changes later.
   */
  shownTo (revision: number, isWaiting: boolean): number {
    if (!this.#isActive || !this.#isWatching || this.interval !== undefined) return Infinity
    const { isFailing, source, publishedTo } = this.#liveQuery
    if (this.#isStale && isFailing && !source.isPending) return Infinity
    const isBehind = isWaiting || this.#isStale || this.encoding !== undefined
    return isBehind ? this.position?.revision ?? 0 : Math.min(revision, publishedTo)
  }

  /** Whether it must be shown the state of a revision by a frame of its own. */
  isCatchingUp (revision: number): boolean {
    if (!this.isDelta || this.isComplete) return this.isComplete
    return this.id !== this.#liveQuery.id || !this.#liveQuery.updates.isShared(this.position, revision)
  }

  /** Whether the frame that others get too is all that it must be shown as of a revision. */
  isSharing (revision: number): boolean {
    return this.isDelta && this.whole === undefined && !this.isCatchingUp(revision)
  }

  /** Sends the frame that others get too; `more`: another one of the same moment follows. */
  sendShared (target: PushTarget, more: boolean): void {
    const frame = this.#liveQuery.updates.sharedFrame(more)
    this.#liveQuery.countPush(frame.length)
    if (more) target.sendFrame(frame)
    else target.sendLast(frame)
    this.position = this.#liveQuery.updates.publishedPosition
  }

  async join (liveQuery: LiveQuery): Promise<void> {
    this.#liveQuery = liveQuery
    this.#isWatching = true
    this.#isStale = false
    await liveQuery.join(this)
    // Another one, where the query has turned out to use other parameters.
    const present = this.#isWatching ? liveQuery.presentFor(this) : liveQuery
    if (present === liveQuery) return
    this.suspend()
    await this.join(present)
  }

  /** Watches under this scope from now on; the client gets the result when it differs from the one it has. */
  follow (scope: Scope): void {
    if (this.#isWatching && scope.key === this.#liveQuery.scope.key) return
    this.#watch(this.#liveQuery.under(scope, this))
  }

  onRegroup (): void {
    // One that is joining looks for it afterwards.
    if (this.#isWatching && this.#isActive) this.#watch(this.#liveQuery.under(this.#liveQuery.scope, this))
  }

  #watch (liveQuery: LiveQuery): void {
    this.pause()
    this.#liveQuery = liveQuery
    this.#isWatching = true
    this.sentVersion = -1
    this.#isStale = true
    liveQuery.watch(this)
  }

  /** Watches nothing until `follow`, and keeps in mind which result the client has. */
  pause (): void {
    if (this.#isWatching && !this.isDelta && this.sentVersion >= 0) {
      this.#shown = this.#liveQuery.encoded.digestOf(this.sentVersion)
    }
    this.suspend()
  }

  /** Whether a complete result is the one that the client has from before a pause. */
  isShown (version: number): boolean {
    const shown = this.#shown
    this.#shown = undefined
    return shown !== undefined && shown === this.#liveQuery.encoded.digestOf(version)
  }

  /** Watches nothing any more. */
  suspend (): void {
    if (!this.#isWatching) return
    this.#isWatching = false
    this.whole = this.encoding = undefined
    this.#liveQuery.leave(this)
  }

  /** Allows pushes: the reply with this result of a live query has been sent. */
  activate (liveQuery: LiveQuery, version: number, position: Position): void {
    this.#isActive = true
    this.position = position
    // It may have come to another one while the reply waited, or to another result.
    const isSame = this.#isWatching && liveQuery === this.#liveQuery
    if (isSame) this.sentVersion = version
    if (this.#endReason !== undefined) this.#host.end(this, this.#endReason)
    else if (!isSame || version !== liveQuery.encoded.version) this.onChange()
  }

  isAhead (version: number, revision: number): boolean {
    return this.isDelta ? (this.position?.revision ?? 0) > revision : this.sentVersion > version
  }

  onChange (): void {
    if (this.isReady) this.#host.changed(this)
  }

  onFresh (): void {
    this.#isStale = false
    this.onChange()
  }

  onSettled (): void {
    if (this.isDelta && this.isReady) this.#host.changed(this)
  }

  onEvaluated (): void {
    this.#host.evaluated()
  }

  onEnd (reason: SubscriptionEnd): void {
    this.#endReason = reason
    if (this.#isActive) this.#host.end(this, reason)
  }
}
