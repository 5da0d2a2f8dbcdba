import type { TouchedRow } from '@hamicek/noex-store'
import type { Scope } from '../permissions/policy.js'
import { encodeListInSlices, encodeQueryResult } from '../protocol/encode.js'
import type { NoexServerError } from '../protocol/errors.js'
import { textFrame } from '../protocol/frame.js'
import { encodeDeltaPush, encodePush, epochOf, type LiveBody } from '../protocol/live-messages.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { SharedJson } from '../protocol/shared-json.js'
import { ChangeHistory, type NetChanges } from './change-history.js'
import { deltaOf } from './delta.js'
import type { KeyedRows, LiveSource, SourceListener } from './live-source.js'
import type { LiveRequest, Position } from './live-request.js'
import { subscriptionId } from './subscriber.js'

/** One subscription to a live query. */
export interface LiveQueryListener {
  /** Its own request, whose parameters may have others that the query does not use. */
  readonly request: LiveRequest
  /** Whether it takes deltas. */
  readonly isDelta: boolean
  /** Called when there is a result that may differ from the one before. */
  onChange: () => void
  /** Called when there is a result that is new enough for a subscriber that watches. */
  onFresh: () => void
  /** Called when the result is that of the last commit again, whether it has changed or not. */
  onSettled: () => void
  /** Called when the query uses other parameters than it did, and this subscription has other values. */
  onRegroup: () => void
  /** Called when there will be no further result. */
  onEnd: (reason: SubscriptionEnd) => void
}

/** A complete result at one moment. */
export interface WholeResult {
  readonly json: SharedJson
  readonly version: number
  readonly revision: number
}

/** The difference between a client's result and the present one, or the complete one where it is shorter. */
export interface Update {
  readonly revision: number
  /** The JSON of `delta`, `undefined` where the client must get the complete result. */
  readonly delta: string | undefined
}

/** The collection that a live query belongs to. */
export interface LiveQueryHost {
  /** Names the history of the store. */
  readonly history: string
  /** Returns what the result depends on besides the history. */
  identityOf: (liveQuery: LiveQuery) => string
  /** Makes the source of a live query. */
  sourceOf: (liveQuery: LiveQuery) => LiveSource
  /** Returns the live query of the same request under other rights or parameters. */
  find: (request: LiveRequest) => LiveQuery
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
  /** Called when the last subscriber has left. */
  onAbandoned: (liveQuery: LiveQuery) => void
  /** Called when there will be no further result. */
  onEnded: (liveQuery: LiveQuery) => void
  onFailure: (liveQuery: LiveQuery, error: unknown) => void
}

/** Rows of a delta, which is encoded in one go; a complete result is encoded in slices. */
const MAX_DELTA_ROWS = 4_000

/** Rows up to which a list is encoded in one go. */
const MAX_AT_ONCE = 1_000

/** Estimated bytes of a live query without rows. */
const OWN_BYTES = 1_024

/** A change that is shown to all subscribers at once. */
interface Publication {
  /** The revision from which on a client must have had the result before. */
  readonly from: number
  /** The revision of the first change: with it, a client has had a part of what is published. */
  readonly changedAt: number
  /** The result that a client has then. */
  readonly to: Position
  /** The JSON of the delta, `undefined` where the complete result is shorter or nothing else is known. */
  readonly delta: string | undefined
}

/**
 * One distinct live query: it is evaluated once and encoded once for all its subscribers. What they have not
 * been shown yet is published once per tick.
 */
export class LiveQuery implements SourceListener {
  /** The subscription id that subscribers share, so that they can share the frame too. */
  readonly id = subscriptionId()
  readonly request: LiveRequest
  readonly source: LiveSource
  readonly #host: LiveQueryHost
  readonly #ownBytes: number
  readonly #subscribers = new Set<LiveQueryListener>()
  /** Those that watch since before a failure. */
  readonly #unserved = new Set<LiveQueryListener>()
  readonly #history = new ChangeHistory(0)
  #epoch: { readonly history: string, readonly text: string } | undefined
  #hasServedDeltas = false
  #isFailing = false
  #hasResult = false
  #isAdmitted = false
  /** Wraps the error of those that come too late. */
  #end: { readonly error: unknown } | undefined
  /** Revision up to which changes have been published. */
  #publishedTo = 0
  #publication: Publication | undefined
  /** Of the last publication, what its rows do not tell. */
  #published: { readonly page: string | undefined, readonly text: string | undefined } | undefined
  /** Revision from which on the ends of the page are the present ones. */
  #endsChangedAt = 0
  #version = 0
  #whole: { readonly version: number, readonly json: SharedJson } | undefined
  #encoding: Promise<WholeResult> | undefined
  /** The frames of the last publication, by whether another one follows. */
  #deltaFrames: Array<Buffer | undefined> = []
  #wholeFrame: { readonly version: number, readonly frame: Buffer } | undefined

  constructor (request: LiveRequest, host: LiveQueryHost) {
    this.request = request
    this.#host = host
    this.#ownBytes = OWN_BYTES + JSON.stringify(request).length
    this.source = host.sourceOf(this)
  }

  get scope (): Scope {
    return this.request.scope
  }

  get subscribers (): number {
    return this.#subscribers.size
  }

  /** Whether the last evaluation has failed. */
  get isFailing (): boolean {
    return this.#isFailing
  }

  /** Whether there has been a result. */
  get hasResult (): boolean {
    return this.#hasResult
  }

  /** Number of changes of the result: another one for another result. */
  get version (): number {
    return this.#version
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
    return this.#ownBytes + this.source.bytes + this.#history.bytes
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
      if (this.isEnded || !this.#subscribers.has(subscriber)) return
      this.#isAdmitted = true
      subscriber.onFresh()
    }, () => { if (this.#subscribers.has(subscriber)) this.#unserved.add(subscriber) })
  }

  #add (subscriber: LiveQueryListener): void {
    this.#subscribers.add(subscriber)
    if (subscriber.isDelta) this.#hasServedDeltas = true
    if (this.#subscribers.size === 1) this.source.follow(true)
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
    if (!this.#hasResult) this.#begin(this.source.revision)
  }

  /** Takes the result of a revision for the first one. */
  #begin (publishedTo: number): void {
    this.#hasResult = true
    this.#history.reset(this.source.revision)
    this.#publishedTo = publishedTo
    if (publishedTo >= 0) this.#isOther(undefined)
  }

  /** Returns the live query of a subscriber that may read these records. */
  under (scope: Scope, { request }: LiveQueryListener): LiveQuery {
    return this.#host.find({ ...request, scope })
  }

  leave (subscriber: LiveQueryListener): void {
    this.#unserved.delete(subscriber)
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return
    if (this.#end === undefined) this.#host.onAbandoned(this)
  }

  /** Has those subscribers look for their live query anew whose parameters `isOther` picks. */
  regroup (isOther: (params: unknown) => boolean): void {
    for (const subscriber of [...this.#subscribers]) {
      if (isOther(subscriber.request.params)) subscriber.onRegroup()
    }
  }

  /**
   * Ends the live query for all its subscribers; callers that wait for a result are rejected with `error`.
   */
  end (reason: SubscriptionEnd, error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    this.source.close(error)
    for (const subscriber of [...this.#subscribers]) {
      this.leave(subscriber)
      subscriber.onEnd(reason)
    }
    this.#host.onEnded(this)
  }

  onChange (revision: number, touches: readonly TouchedRow[] | undefined): void {
    this.#version++
    this.#isFailing = false
    if (touches === undefined) this.#history.reset(revision)
    else this.#history.add(revision, touches, this.source.size)
    // The first one, where it could not be had at first.
    if (!this.#hasResult) this.#begin(-1)
    this.#host.onChanged(this)
  }

  onResult (): void {
    this.#isFailing = false
    this.#serve()
  }

  /** Shows a result to those that watch since before a failure. */
  #serve (): void {
    for (const subscriber of this.#unserved) {
      this.#unserved.delete(subscriber)
      subscriber.onFresh()
    }
  }

  onSettled (): void {
    for (const subscriber of this.#subscribers) subscriber.onSettled()
  }

  onUsed (): void {
    this.#host.onUsed(this)
  }

  onFailure (error: unknown): void {
    this.#host.onFailure(this, error)
    this.#isFailing = true
  }

  onEnd (reason: SubscriptionEnd, error: NoexServerError): void {
    this.end(reason, error)
  }

  /** Publishes what has changed since the last time, and calls `onChange` of each subscriber. */
  publish (): void {
    if (this.#end !== undefined || this.#subscribers.size === 0) return
    const { source } = this
    const from = this.#publishedTo
    const touches = this.#history.since(from)
    try {
      if (!this.#isOther(touches)) return
      const delta = this.#takesDeltas ? this.#delta(touches) : undefined
      const to = { epoch: this.epoch, revision: source.revision }
      this.#publication = { from, changedAt: this.#history.firstAfter(from), to, delta }
    } catch (error) {
      this.onFailure(error)
      return
    }
    this.#publishedTo = source.revision
    this.#deltaFrames = []
    this.#serve()
    for (const subscriber of this.#subscribers) subscriber.onChange()
    this.#host.onGrown(this)
  }

  /** Whether the result differs from the one that was published last. */
  #isOther (touches: NetChanges | undefined): boolean {
    const { source } = this
    const former = this.#published
    const page = source.page && JSON.stringify(source.page)
    // Of a result without rows, only its text tells.
    const text = source.keyField === undefined ? this.#textOf(source) : undefined
    this.#published = { page, text }
    if (page !== former?.page) {
      this.#endsChangedAt = source.revision
      return true
    }
    if (text !== undefined) return text !== former?.text
    return touches === undefined || hasEffect(touches, source)
  }

  #textOf ({ text }: LiveSource): string | undefined {
    if (text !== undefined) return text
    const whole = this.whole()
    if (!(whole instanceof Promise)) return whole.json.text
    // Who is to be sent it hears that it cannot be encoded.
    whole.catch(() => {})
    return undefined
  }

  get #takesDeltas (): boolean {
    for (const { isDelta } of this.#subscribers) if (isDelta) return true
    return false
  }

  /** Returns the JSON of a delta, `undefined` where the complete result is about as short. */
  #delta (touches: NetChanges | undefined): string | undefined {
    const { source } = this
    if (touches === undefined || source.keyField === undefined) return undefined
    if (touches.size > MAX_DELTA_ROWS || (touches.size > 8 && touches.size >= source.size)) return undefined
    return deltaOf(source, touches)
  }

  /**
   * Returns what makes the result of a client the present one; `undefined` where it is the present one
   * already.
   */
  updateSince (position: Position | undefined): Update | undefined {
    const { source } = this
    const { revision } = source
    const isKnown = position !== undefined && position.epoch === this.epoch && position.revision <= revision
    const touches = isKnown
      ? this.#history.since(position.revision) ?? source.touchesSince(position.revision)
      : undefined
    if (touches === undefined) return { revision, delta: undefined }
    const hasEnds = isKnown && position.revision >= this.#endsChangedAt
    if (hasEnds && !hasEffect(touches, source)) return undefined
    return { revision, delta: this.#delta(touches) }
  }

  /** Returns the same for a client that comes back, with an empty delta where nothing has changed. */
  resumed (position: Position): Required<Update> | undefined {
    if (this.source.keyField === undefined) return undefined
    const update = this.updateSince(position) ?? { revision: this.source.revision, delta: EMPTY_DELTA }
    return update.delta === undefined ? undefined : update
  }

  /** Whether a client with this result is brought to a revision by the delta that was published last. */
  isShared (position: Position | undefined, revision: number): boolean {
    const { from, changedAt, to, delta } = this.#publication ?? NOT_PUBLISHED
    if (delta === undefined || to.revision !== revision || position?.epoch !== this.epoch) return false
    // A row that has come and gone since is in no delta, and would stay with a client that has it.
    return position.revision >= from && position.revision < changedAt
  }

  /** Returns the frame of the last publication under the shared id, which takes deltas; `more` as in it. */
  sharedFrame (more: boolean): Buffer {
    const { to: { revision }, delta } = this.#publication as Publication
    const which = more ? 1 : 0
    const body = { delta: delta as string }
    this.#deltaFrames[which] ??= textFrame(this.deltaPush(this.id, revision, body, more))
    return this.#deltaFrames[which]
  }

  /** The result that a client has with that frame. */
  get publishedPosition (): Position | undefined {
    return this.#publication?.to
  }

  /** Returns the text of a push with a delta, or with a complete result. */
  deltaPush (id: string, revision: number, body: LiveBody, more: boolean): string {
    const { page, keyField = null } = this.source
    // A client that takes a complete result may have had one under other rights, or another definition.
    const history = 'data' in body ? { epoch: this.epoch, key: keyField } : undefined
    return encodeDeltaPush(id, { ...history, revision, page }, body, more)
  }

  /** Returns the frame with a complete result, for clients that take no deltas. */
  wholeFrame (id: string, { json, version }: WholeResult): Buffer {
    if (id !== this.id) return textFrame(encodePush(id, json.text))
    if (this.#wholeFrame?.version !== version) {
      this.#wholeFrame = { version, frame: textFrame(encodePush(id, json.text)) }
    }
    return this.#wholeFrame.frame
  }

  /**
   * Returns the present result; a promise for one that takes long to encode. That may be one whose encoding
   * has begun before, of an earlier version.
   */
  whole (): WholeResult | Promise<WholeResult> {
    const { source } = this
    const { revision } = source
    const version = this.#version
    if (this.#whole?.version === version) return { json: this.#whole.json, version, revision }
    if (source.text !== undefined) return this.#kept(source.text, version, revision)
    if (this.#encoding !== undefined) return this.#encoding
    const result = source.result()
    const isBig = Array.isArray(result) && result.length > MAX_AT_ONCE
    if (!isBig) return this.#kept(encodeQueryResult(result), version, revision)
    this.#encoding = encodeListInSlices(result).then(
      encoded => this.#kept(encoded, version, revision)
    ).finally(() => { this.#encoding = undefined })
    return this.#encoding
  }

  #kept (text: string, version: number, revision: number): WholeResult {
    const json = new SharedJson(text)
    this.#whole = { version, json }
    this.#host.onText(this, text.length)
    return { json, version, revision }
  }

  /** Frees the text of the result, which can be made again. */
  dropText (): void {
    this.#whole = undefined
    this.#wholeFrame = undefined
  }
}

/** Stands for a publication where there is none. */
const NOT_PUBLISHED: Publication = {
  from: Infinity, changedAt: -1, to: { epoch: '', revision: -1 }, delta: undefined
}

/** The delta of a result that has not changed. */
const EMPTY_DELTA = '{"upsert":[],"remove":[]}'

/** Whether a row has come, gone or changed, and not only come and gone again. */
function hasEffect (touches: NetChanges, rows: KeyedRows): boolean {
  for (const [key, { wasIn }] of touches) if (wasIn || rows.indexOf(key) !== -1) return true
  return false
}
