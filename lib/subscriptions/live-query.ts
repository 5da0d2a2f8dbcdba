import type { TouchedRow } from '@hamicek/noex-store'
import type { Scope } from '../permissions/policy.js'
import type { NoexServerError } from '../protocol/errors.js'
import { epochOf } from '../protocol/live-messages.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { EncodedResult } from './encoded-result.js'
import { LiveQueryListeners, type LiveQueryListener } from './live-query-listeners.js'
import type { LiveSource, SourceListener } from './live-source.js'
import type { LiveRequest } from './live-request.js'
import type { QueryCost, QueryMetrics } from './query-metrics.js'
import { ResultUpdates } from './result-updates.js'
import { subscriptionId } from './subscriber.js'

/** The collection that a live query belongs to. */
export interface LiveQueryHost {
  /** Names the history of the store. */
  readonly history: string
  /** Returns what the result depends on besides the history. */
  identityOf: (liveQuery: LiveQuery) => string
  /** Makes the source of a live query. */
  sourceOf: (liveQuery: LiveQuery) => LiveSource
  /** Returns the cost that live queries of one shape share; `undefined` for a query that is not defined. */
  costOf: (liveQuery: LiveQuery) => QueryCost | undefined
  /** Measures the publication of a changed result. */
  readonly metrics: Pick<QueryMetrics, 'update'>
  /** Returns the live query of the same request under other rights or parameters. */
  find: (request: LiveRequest) => LiveQuery
  /** Whether a live query has changed and is yet to be published. */
  isChanged: (liveQuery: LiveQuery) => boolean
  /** Publishes the change of a live query, together with those of the same tick. */
  onChanged: (liveQuery: LiveQuery) => void
  /** Counts the bytes of a new live query. @throws `RATE_LIMITED` where they are too many */
  admit: (liveQuery: LiveQuery) => void
  /** Counts the bytes of a live query that has changed, and ends it where they are too many. */
  onGrown: (liveQuery: LiveQuery) => void
  /** Called when the result has been encoded, in so many characters. */
  onText: (liveQuery: LiveQuery, chars: number) => void
  /** Called when the query has read parameters that it had not read before. */
  onUsed: (liveQuery: LiveQuery) => void
  /** Returns the live query of a request that this one was made for, or another one. */
  presentFor: (liveQuery: LiveQuery, request: LiveRequest) => LiveQuery
  /** Whether a client is to be told of a revision, once its live queries show it. */
  readonly isAnnouncing: boolean
  /** Called when the last subscriber has left. */
  onAbandoned: (liveQuery: LiveQuery) => void
  /** Called when there will be no further result. */
  onEnded: (liveQuery: LiveQuery) => void
  onFailure: (liveQuery: LiveQuery, error: unknown) => void
}

/** Estimated bytes of a live query without rows. */
const OWN_BYTES = 1_024

/**
 * One distinct live query: it is evaluated once and encoded once for all its subscribers. What they have not
 * been shown yet is published once per tick.
 */
export class LiveQuery implements SourceListener {
  /** The subscription id that subscribers share, so that they can share the frame too. */
  readonly id = subscriptionId()
  readonly request: LiveRequest
  readonly cost: QueryCost | undefined
  readonly source: LiveSource
  /** Its complete result. */
  readonly encoded: EncodedResult
  /** The changes of its result. */
  readonly updates: ResultUpdates
  readonly #host: LiveQueryHost
  readonly #ownBytes: number
  readonly #listeners = new LiveQueryListeners()
  #epoch: { readonly history: string, readonly text: string } | undefined
  #hasServedDeltas = false
  #isFailing = false
  /** Version of the result that was published last. */
  #publishedVersion = 0
  #hasResult = false
  #isAdmitted = false
  /** Wraps the error of those that come too late. */
  #end: { readonly error: unknown } | undefined

  constructor (request: LiveRequest, host: LiveQueryHost) {
    this.request = request
    this.#host = host
    this.#ownBytes = OWN_BYTES + JSON.stringify(request).length
    this.cost = host.costOf(this)
    this.source = host.sourceOf(this)
    this.encoded = new EncodedResult(this.source, this.id, chars => { host.onText(this, chars) })
    this.updates = new ResultUpdates(this, this.source, this.encoded)
  }

  get scope (): Scope {
    return this.request.scope
  }

  get subscribers (): number {
    return this.#listeners.size
  }

  /** Whether the last evaluation has failed. */
  get isFailing (): boolean {
    return this.#isFailing
  }

  /** Whether there has been a result. */
  get hasResult (): boolean {
    return this.#hasResult
  }

  /** Revision up to which all changes have been published; Infinity where none is known or awaited. */
  get publishedTo (): number {
    if (this.#host.isChanged(this)) return this.updates.publishedTo
    return this.source.isPending ? this.source.revision : Infinity
  }

  get isEnded (): boolean {
    return this.#end !== undefined
  }

  /** Names the history of the result: a client that has another one gets the complete result. */
  get epoch (): string {
    const { history } = this.#host
    if (this.#epoch?.history !== history) {
      this.#epoch = { history, text: epochOf(history, this.#host.identityOf(this)) }
    }
    return this.#epoch.text
  }

  /** Estimated bytes that are kept for it, without the encoded result. */
  get bytes (): number {
    return this.#ownBytes + this.source.bytes + this.updates.bytes
  }

  /** Returns the live query that has the result of a subscriber, as far as its parameters are used. */
  presentFor ({ request }: LiveQueryListener): LiveQuery {
    return this.isEnded ? this : this.#host.presentFor(this, request)
  }

  /** Whether only its own history tells what a client that comes back has missed. */
  get lingers (): boolean {
    return this.#isAdmitted && this.#hasServedDeltas && this.source.keyField !== undefined &&
      this.source.touchesSince(this.source.revision) === undefined
  }

  /**
   * Adds a subscriber. Resolves when the result is at least as new as this call; rejects when the query
   * fails.
   */
  async join (subscriber: LiveQueryListener): Promise<void> {
    this.#add(subscriber)
    try {
      await this.#fresh()
      if (!this.#isAdmitted) this.#host.admit(this)
      this.#isAdmitted = true
    } catch (error) {
      this.leave(subscriber)
      throw error
    }
  }

  /**
   * Adds a subscriber that has another result or none, and calls `onFresh` when there is one at least as new
   * as this call. Unlike `join` it keeps the subscriber when the query fails: the next result is fresh.
   */
  watch (subscriber: LiveQueryListener): void {
    this.#add(subscriber)
    this.#fresh().then(() => {
      if (!this.#isAdmitted) this.#host.onGrown(this)
      if (this.isEnded || !this.#listeners.has(subscriber)) return
      this.#isAdmitted = true
      subscriber.onFresh()
    }, () => { this.#listeners.serveLater(subscriber) })
  }

  #add (subscriber: LiveQueryListener): void {
    this.#listeners.add(subscriber)
    if (subscriber.isDelta) this.#hasServedDeltas = true
    if (this.#listeners.size === 1) this.source.follow(true)
  }

  async #fresh (): Promise<void> {
    try {
      await this.source.fresh()
      if (this.#end !== undefined) throw this.#end.error
    } catch (error) {
      if (this.#end === undefined) this.onFailure(error)
      throw error
    }
    this.#isFailing = false
    if (this.#hasResult) return
    this.#hasResult = true
    this.updates.begin()
    this.#publishedVersion = this.encoded.version
  }

  /** Returns the live query of a subscriber that may read these records. */
  under (scope: Scope, { request }: LiveQueryListener): LiveQuery {
    return this.#host.find({ ...request, scope })
  }

  leave (subscriber: LiveQueryListener): void {
    const isLast = this.#listeners.delete(subscriber)
    if (isLast && this.#end === undefined) this.#host.onAbandoned(this)
  }

  /** Has those subscribers look for their live query anew whose parameters `isOther` picks. */
  regroup (isOther: (params: unknown) => boolean): void {
    this.#listeners.regroup(isOther)
  }

  /**
   * Ends the live query for all its subscribers; callers that wait for a result are rejected with `error`.
   */
  end (reason: SubscriptionEnd, error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    this.source.close(error)
    this.#listeners.end(reason)
    this.#host.onEnded(this)
  }

  onChange (revision: number, touches: readonly TouchedRow[] | undefined): void {
    this.encoded.outdate()
    this.#isFailing = false
    this.updates.add(revision, touches)
    // The first one, where it could not be had at first.
    if (!this.#hasResult) this.updates.beginUnpublished()
    this.#hasResult = true
    this.#host.onChanged(this)
  }

  onResult (): void {
    this.#isFailing = false
    this.#listeners.serve()
    if (this.#host.isAnnouncing) this.#listeners.tellEvaluated()
  }

  onSettled (): void {
    this.#listeners.settle()
  }

  onUsed (): void {
    this.#host.onUsed(this)
  }

  onFailure (error: unknown): void {
    this.#host.onFailure(this, error)
    this.#isFailing = true
    if (this.#host.isAnnouncing) this.#listeners.tellEvaluated()
  }

  onEnd (reason: SubscriptionEnd, error: NoexServerError): void {
    this.end(reason, error)
  }

  /** Publishes what has changed since the last time, and calls `onChange` of each subscriber. */
  publish (): void {
    if (this.#end !== undefined || this.#listeners.size === 0) return
    this.#host.metrics.update(this.cost, () => { this.#publish() })
  }

  /** Counts a push to one subscriber, of so many characters. */
  countPush (chars: number): void {
    if (this.cost !== undefined) this.cost.bytesOut += chars
  }

  #publish (): void {
    const { publishedTo } = this.updates
    const version = this.#publishedVersion
    this.#publishedVersion = this.encoded.version
    try {
      if (!this.updates.publish(this.#listeners)) {
        // Those that came meanwhile have a result between the former one and this, which is the same again.
        this.#listeners.change(listener => listener.isAhead(version, publishedTo))
        return
      }
    } catch (error) {
      this.onFailure(error)
      return
    }
    this.#listeners.serve()
    this.#listeners.change(() => true)
    this.#host.onGrown(this)
  }
}
