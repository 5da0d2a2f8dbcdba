import { randomBytes } from 'node:crypto'
import type { NoexServerError } from '../protocol/errors.js'
import type { Scope } from '../permissions/policy.js'
import { encodePush } from '../protocol/encode.js'
import { textFrame } from '../protocol/frame.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { isTakenBack } from '../store/noex-store.js'
import type { Dependent, ReadSet } from './dependency-index.js'

/** Somebody who watches a feed. */
export interface LiveQueryListener {
  /** The feed has a result that may differ from the one before. */
  onChange: () => void
  /** The feed will not have another result. */
  onEnd: (reason: SubscriptionEnd) => void
}

/** The result of one run of a query. */
export interface LiveQueryRun {
  /** Its JSON. */
  readonly text: string
  /** Revision of the store at the end of the run. */
  readonly revision: number
  /** Settles when every state that it may have read is durable, or taken back; absent where all are. */
  readonly durable: Promise<void> | undefined
}

/** What a feed needs from the feeds around it. */
export interface LiveQueryHost {
  /** Revision of the store. */
  readonly revision: number
  track: (dependent: Dependent) => ReadSet
  run: (liveQuery: LiveQuery, reads: ReadSet) => Promise<LiveQueryRun>
  /** Returns the feed of this query with these parameters, as far as `scope` lets it read. */
  liveQuery: (query: string, params: unknown, scope: Scope, owner: string) => LiveQuery
  /** Calls `feed.evaluate()` once the changes of this tick are through. */
  schedule: (liveQuery: LiveQuery) => void
  /** Calls `feed.evaluate()` after a pause that grows with `overtaken`, from 0 on. */
  postpone: (liveQuery: LiveQuery, overtaken: number) => void
  /** The last subscriber has left. */
  onAbandoned: (liveQuery: LiveQuery) => void
  onFailure: (liveQuery: LiveQuery, error: unknown) => void
}

/** The subject of a feed: feeds of equal subjects are one. */
export interface LiveQueryKey {
  readonly query: string
  readonly params: unknown
  /** Tells what the query may read for those who watch it. */
  readonly scope: Scope
  /** The id of the client that was the first to ask for it. */
  readonly owner: string
}

/** Evaluations in a row during which something may change before the next ones wait. */
const MAX_OVERTAKEN = 10

/** Runs of one evaluation, of which all but the last have read a state that was taken back. */
const MAX_RUNS = 5

interface Waiter {
  /** The number of the evaluation from which on the result is new enough. */
  readonly evaluation: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A query may throw anything, `undefined` too. */
interface Failure {
  readonly error: unknown
}

/** A subscription id that tells nothing about the server's other clients. */
export function subscriptionId (): string {
  return `sub-${randomBytes(9).toString('base64url')}`
}

/**
 * One distinct live query: evaluated once and encoded once, however many watch it.
 * One evaluation runs at a time; a change that arrives meanwhile leads to one more afterwards, so the last
 * result always is that of the last state.
 */
export class LiveQuery implements Dependent {
  /** The subscription id that subscribers share, so that they can share the frame too. */
  readonly id = subscriptionId()
  readonly query: string
  readonly params: unknown
  readonly scope: Scope
  readonly owner: string
  /** Whether there has been a result. */
  hasResult = false
  /** The JSON of the newest result. */
  text = 'null'
  readonly #host: LiveQueryHost
  readonly #subscribers = new Set<LiveQueryListener>()
  #waiters: Waiter[] = []
  #reads: ReadSet | undefined
  #evaluation = 0
  /** Evaluations in a row during which something that they read has changed. */
  #overtaken = 0
  #running = false
  /** Revision of the store at the beginning of the run that is under way. */
  #begunAt = 0
  /** Revision of the first change since then to what the query reads. */
  #changedAt = Infinity
  /** Something that the last evaluation has read may have changed since, or there was none. */
  #dirty = true
  #scheduled = false
  #isFailing = false
  #end: SubscriptionEnd | undefined
  #frame: Buffer | undefined

  constructor ({ query, params, scope, owner }: LiveQueryKey, host: LiveQueryHost) {
    this.query = query
    this.params = params
    this.scope = scope
    this.owner = owner
    this.#host = host
  }

  get subscribers (): number {
    return this.#subscribers.size
  }

  /** Whether the next failure follows another one. */
  get isFailing (): boolean {
    return this.#isFailing
  }

  /** The push of the newest result under a subscription id. */
  frame (id: string): Buffer {
    if (id !== this.id) return textFrame(encodePush(id, this.text))
    this.#frame ??= textFrame(encodePush(id, this.text))
    return this.#frame
  }

  /**
   * Adds a subscriber and resolves when `text` is at least as new as this call. Rejects when the query fails.
   */
  async join (subscriber: LiveQueryListener): Promise<void> {
    this.#subscribers.add(subscriber)
    try {
      await this.#fresh()
    } catch (error) {
      this.leave(subscriber)
      throw error
    }
  }

  /**
   * Adds a subscriber that has an older result or none, and tells it as soon as there is one at least as new
   * as this call. Unlike `join` it does not give up when the query fails: then the next change brings the
   * result.
   */
  watch (subscriber: LiveQueryListener): void {
    this.#subscribers.add(subscriber)
    this.#fresh().then(() => {
      if (this.#subscribers.has(subscriber)) subscriber.onChange()
    }, () => {})
  }

  /** The feed of the same query and parameters for those who may read something else. */
  under (scope: Scope): LiveQuery {
    return this.#host.liveQuery(this.query, this.params, scope, this.owner)
  }

  leave (subscriber: LiveQueryListener): void {
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return
    this.#reads?.release()
    this.#reads = undefined
    this.#dirty = true
    if (this.#end === undefined) this.#host.onAbandoned(this)
  }

  /** Something that the query has read has changed, by the commit of a revision. */
  invalidate (revision: number): void {
    // A commit is told when it is durable, and then a run may have seen it already.
    if (this.#running && revision <= this.#begunAt) return
    this.#dirty = true
    this.#changedAt = Math.min(this.#changedAt, revision)
    this.#plan()
  }

  #plan (): void {
    if (this.#running || this.#scheduled || this.#end !== undefined) return
    this.#scheduled = true
    if (this.#overtaken < MAX_OVERTAKEN) this.#host.schedule(this)
    else this.#host.postpone(this, this.#overtaken - MAX_OVERTAKEN)
  }

  /** Evaluates the query unless its result is known to be current. */
  evaluate (): void {
    this.#scheduled = false
    if (this.#running || !this.#dirty || this.#subscribers.size === 0 || this.#end !== undefined) return
    // What may fail has been caught; this is for the rest, so that nobody waits for ever.
    this.#evaluate().catch(error => {
      this.#host.onFailure(this, error)
      this.#settle(Infinity, { error })
    })
  }

  /**
   * Tells everybody that there will be no more results; who still waits for the first is refused with
   * `error`.
   */
  end (reason: SubscriptionEnd, error: NoexServerError): void {
    if (this.#end !== undefined) return
    this.#end = reason
    this.#settle(Infinity, { error })
    for (const subscriber of [...this.#subscribers]) {
      this.leave(subscriber)
      subscriber.onEnd(reason)
    }
  }

  async #fresh (): Promise<void> {
    if (!this.#running && !this.#dirty) return
    // An evaluation that runs will do, unless something it has read has changed meanwhile.
    const evaluation = this.#running && !this.#dirty ? this.#evaluation : this.#evaluation + 1
    const fresh = new Promise<void>(
      (resolve, reject) => { this.#waiters.push({ evaluation, resolve, reject }) }
    )
    this.evaluate()
    await fresh
  }

  async #evaluate (): Promise<void> {
    const evaluation = ++this.#evaluation
    this.#running = true
    const reads = this.#host.track(this)
    const earlier = this.#reads
    let failure: Failure | undefined
    let run: LiveQueryRun | undefined
    try {
      run = await this.#run(reads)
      earlier?.release(reads)
    } catch (error) {
      failure = { error }
      if (earlier !== undefined) reads.include(earlier)
    }
    this.#reads = reads
    this.#running = false
    if (this.#subscribers.size === 0 || this.#end !== undefined) {
      reads.release()
      this.#reads = undefined
      return
    }
    const isOutdated = this.#dirty
    // A change after the run, while its state became durable, is none in between.
    const changedMeanwhile = isOutdated && this.#changedAt <= (run?.revision ?? Infinity)
    this.#overtaken = changedMeanwhile ? this.#overtaken + 1 : 0
    if (run !== undefined) this.#publish(run.text)
    else this.#fail(failure?.error)
    this.#settle(evaluation, failure)
    if (isOutdated) this.#plan()
  }

  /** Runs the query until its result is of a durable state. */
  async #run (reads: ReadSet): Promise<LiveQueryRun> {
    for (let count = 1; ; count++) {
      this.#dirty = false
      this.#begunAt = this.#host.revision
      this.#changedAt = Infinity
      try {
        const run = await this.#host.run(this, reads)
        if (run.durable !== undefined) await run.durable
        return run
      } catch (error) {
        if (count === MAX_RUNS || !isTakenBack(error)) throw error
      }
    }
  }

  #publish (text: string): void {
    this.#isFailing = false
    if (this.hasResult && text === this.text) return
    this.hasResult = true
    this.text = text
    this.#frame = undefined
    for (const subscriber of this.#subscribers) subscriber.onChange()
  }

  /** Keeps the last result for those who have it; whoever subscribes next has the query evaluated again. */
  #fail (error: unknown): void {
    this.#dirty = true
    this.#host.onFailure(this, error)
    this.#isFailing = true
  }

  /** Answers those who wait for this evaluation or an earlier one. */
  #settle (evaluation: number, failure: Failure | undefined): void {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(waiter => waiter.evaluation > evaluation)
    for (const waiter of waiters) {
      if (waiter.evaluation > evaluation) continue
      if (failure === undefined) waiter.resolve()
      else waiter.reject(failure.error)
    }
  }
}
