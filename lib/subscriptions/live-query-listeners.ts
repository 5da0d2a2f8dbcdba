import type { SubscriptionEnd } from '../protocol/messages.js'
import type { LiveRequest } from './live-request.js'

/** One subscription to a live query. */
export interface LiveQueryListener {
  /** Its own request, whose parameters may have others that the query does not use. */
  readonly request: LiveRequest
  /** Whether it takes deltas. */
  readonly isDelta: boolean
  /** Whether it has been given a result after that of a version, or of a revision. */
  isAhead: (version: number, revision: number) => boolean
  /** Called when there is a result that may differ from the one before. */
  onChange: () => void
  /** Called when there is a result that is new enough for a subscriber that watches. */
  onFresh: () => void
  /** Called when the result is that of the last commit again, whether it has changed or not. */
  onSettled: () => void
  /** Called when the query has been evaluated or has failed, while a revision is to be announced. */
  onEvaluated: () => void
  /** Called when the query uses other parameters than it did, and this subscription has other values. */
  onRegroup: () => void
  /** Called when there will be no further result. */
  onEnd: (reason: SubscriptionEnd) => void
}

/** The subscriptions to one live query, called together. */
export class LiveQueryListeners {
  readonly #all = new Set<LiveQueryListener>()
  /** Those that watch since before a failure. */
  readonly #unserved = new Set<LiveQueryListener>()

  get size (): number {
    return this.#all.size
  }

  /** Whether at least one takes deltas. */
  get takesDeltas (): boolean {
    for (const { isDelta } of this.#all) if (isDelta) return true
    return false
  }

  has (listener: LiveQueryListener): boolean {
    return this.#all.has(listener)
  }

  add (listener: LiveQueryListener): void {
    this.#all.add(listener)
  }

  /** Removes a subscription. Returns whether it was the last one. */
  delete (listener: LiveQueryListener): boolean {
    this.#unserved.delete(listener)
    return this.#all.delete(listener) && this.#all.size === 0
  }

  /** Has a subscription served with the next result, where it is one of these still. */
  serveLater (listener: LiveQueryListener): void {
    if (this.#all.has(listener)) this.#unserved.add(listener)
  }

  /** Shows a result to those that watch since before a failure. */
  serve (): void {
    for (const listener of this.#unserved) {
      this.#unserved.delete(listener)
      listener.onFresh()
    }
  }

  change (isConcerned: (listener: LiveQueryListener) => boolean): void {
    for (const listener of this.#all) if (isConcerned(listener)) listener.onChange()
  }

  settle (): void {
    for (const listener of this.#all) listener.onSettled()
  }

  tellEvaluated (): void {
    for (const listener of this.#all) listener.onEvaluated()
  }

  /** Has those look for their live query anew whose parameters `isOther` picks. */
  regroup (isOther: (params: unknown) => boolean): void {
    for (const listener of [...this.#all]) if (isOther(listener.request.params)) listener.onRegroup()
  }

  /** Removes all, and tells each why. */
  end (reason: SubscriptionEnd): void {
    for (const listener of [...this.#all]) {
      this.delete(listener)
      listener.onEnd(reason)
    }
  }
}
