import type { NoexServerError } from '../protocol/errors.js'
import type { Scope } from '../permissions/policy.js'
import { encodePush } from '../protocol/encode.js'
import { textFrame } from '../protocol/frame.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { isTakenBack } from '../store/noex-store.js'
import type { Dependent, ReadSet } from './dependency-index.js'
import { subscriptionId } from './subscriber.js'

/** One subscription to a live query. */
export interface LiveQueryListener {
  /** Called when there is a result that may differ from the one before. */
  onChange: () => void
  /** Called when there will be no further result. */
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

/** The collection that a live query belongs to. */
export interface LiveQueryHost {
  /** Revision of the store. */
  readonly revision: number
  track: (dependent: Dependent) => ReadSet
  run: (liveQuery: LiveQuery, reads: ReadSet) => Promise<LiveQueryRun>
  /** Returns the live query with these parameters that reads no more than `scope`. */
  liveQuery: (query: string, params: unknown, scope: Scope, owner: string) => LiveQuery
  /** Calls `liveQuery.evaluate()` after the changes of this tick. */
  schedule: (liveQuery: LiveQuery) => void
  /** Calls `liveQuery.evaluate()` after a pause that grows with `overtaken`, from 0 on. */
  postpone: (liveQuery: LiveQuery, overtaken: number) => void
  /** Called when the last subscriber has left. */
  onAbandoned: (liveQuery: LiveQuery) => void
  onFailure: (liveQuery: LiveQuery, error: unknown) => void
}

/** The key of a live query: there is one live query for equal keys. */
export interface LiveQueryKey {
  readonly query: string
  readonly params: unknown
  /** The records that the query may read for its subscribers. */
  readonly scope: Scope
  /** The id of the client that subscribed first. */
  readonly owner: string
}

/** Consecutive evaluations that a change may overtake before the next ones are postponed. */
const MAX_OVERTAKEN = 10

/** Runs of one evaluation: the query runs again when it has read a state that was taken back. */
const MAX_RUNS = 5

interface Waiter {
  /** The number of the evaluation from which on the result is new enough. */
  readonly evaluation: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Wraps an error: a query may throw `undefined` too. */
interface Failure {
  readonly error: unknown
}

/**
 * One distinct live query: evaluated once and encoded once for all its subscribers. One evaluation runs at a
 * time; a change that arrives meanwhile causes another one afterwards, so that the last result is always that
 * of the last state.
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
  /** Consecutive evaluations during which a record that they read has changed. */
  #overtaken = 0
  #isRunning = false
  /** Revision of the store at the beginning of the run that is under way. */
  #begunAt = 0
  /** Revision of the first change since then to a record that the query reads. */
  #changedAt = Infinity
  /** Whether the result may be outdated, or there is none. */
  #isDirty = true
  #isScheduled = false
  #isFailing = false
  #endReason: SubscriptionEnd | undefined
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

  /** Whether the last evaluation has failed. */
  get isFailing (): boolean {
    return this.#isFailing
  }

  /** Returns the push of the newest result under a subscription id. */
  frame (id: string): Buffer {
    if (id !== this.id) return textFrame(encodePush(id, this.text))
    this.#frame ??= textFrame(encodePush(id, this.text))
    return this.#frame
  }

  /**
   * Adds a subscriber. Resolves when `text` is at least as new as this call; rejects when the query fails.
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
   * Adds a subscriber that has an older result or none, and calls `onChange` when there is one at least as
   * new as this call. Unlike `join` it keeps the subscriber when the query fails: the next change brings the
   * result.
   */
  watch (subscriber: LiveQueryListener): void {
    this.#subscribers.add(subscriber)
    this.#fresh().then(() => {
      if (this.#subscribers.has(subscriber)) subscriber.onChange()
    }, () => {})
  }

  /** Returns the live query of the same query and parameters under another scope. */
  under (scope: Scope): LiveQuery {
    return this.#host.liveQuery(this.query, this.params, scope, this.owner)
  }

  leave (subscriber: LiveQueryListener): void {
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return
    this.#reads?.release()
    this.#reads = undefined
    this.#isDirty = true
    if (this.#endReason === undefined) this.#host.onAbandoned(this)
  }

  invalidate (revision: number): void {
    // A commit is announced when it is durable, and then a run may have read it already.
    if (this.#isRunning && revision <= this.#begunAt) return
    this.#isDirty = true
    this.#changedAt = Math.min(this.#changedAt, revision)
    this.#plan()
  }

  #plan (): void {
    if (this.#isRunning || this.#isScheduled || this.#endReason !== undefined) return
    this.#isScheduled = true
    if (this.#overtaken < MAX_OVERTAKEN) this.#host.schedule(this)
    else this.#host.postpone(this, this.#overtaken - MAX_OVERTAKEN)
  }

  /** Evaluates the query unless its result is known to be current. */
  evaluate (): void {
    this.#isScheduled = false
    if (this.#isRunning || !this.#isDirty) return
    if (this.#subscribers.size === 0 || this.#endReason !== undefined) return
    // `#evaluate` catches the errors of the query; this is for any other, so that no caller waits for ever.
    this.#evaluate().catch(error => {
      this.#host.onFailure(this, error)
      this.#settle(Infinity, { error })
    })
  }

  /**
   * Ends the live query for all its subscribers; callers that wait for a result are rejected with `error`.
   */
  end (reason: SubscriptionEnd, error: NoexServerError): void {
    if (this.#endReason !== undefined) return
    this.#endReason = reason
    this.#settle(Infinity, { error })
    for (const subscriber of [...this.#subscribers]) {
      this.leave(subscriber)
      subscriber.onEnd(reason)
    }
  }

  async #fresh (): Promise<void> {
    if (!this.#isRunning && !this.#isDirty) return
    // The evaluation under way suffices unless a record that it has read has changed meanwhile.
    const evaluation = this.#isRunning && !this.#isDirty ? this.#evaluation : this.#evaluation + 1
    const fresh = new Promise<void>(
      (resolve, reject) => { this.#waiters.push({ evaluation, resolve, reject }) }
    )
    this.evaluate()
    await fresh
  }

  async #evaluate (): Promise<void> {
    const evaluation = ++this.#evaluation
    this.#isRunning = true
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
    this.#isRunning = false
    if (this.#subscribers.size === 0 || this.#endReason !== undefined) {
      reads.release()
      this.#reads = undefined
      return
    }
    const isOutdated = this.#isDirty
    // A change after the run, while its state became durable, has not overtaken it.
    const changedMeanwhile = isOutdated && this.#changedAt <= (run?.revision ?? Infinity)
    this.#overtaken = changedMeanwhile ? this.#overtaken + 1 : 0
    if (run !== undefined) this.#publish(run.text)
    else this.#fail(failure?.error)
    this.#settle(evaluation, failure)
    if (isOutdated) this.#plan()
  }

  /** Runs the query, again where the state that it has read is taken back, up to `MAX_RUNS` times. */
  async #run (reads: ReadSet): Promise<LiveQueryRun> {
    for (let count = 1; ; count++) {
      this.#isDirty = false
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

  /** Keeps the last result for its subscribers; the next subscription has the query evaluated again. */
  #fail (error: unknown): void {
    this.#isDirty = true
    this.#host.onFailure(this, error)
    this.#isFailing = true
  }

  /** Settles the callers that wait for this evaluation or an earlier one. */
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
