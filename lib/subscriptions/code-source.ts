import { connectionEnded } from '../protocol/refusals.js'
import { isTakenBack } from '../store/noex-store.js'
import type { Scope } from '../permissions/policy.js'
import type { Dependent, ReadSet } from './dependency-index.js'
import { KeyedList } from './keyed-list.js'
import type { LiveSource, SourceListener } from './live-source.js'
import { recordParams, type UsedNames } from './recorded-params.js'

/** Consecutive evaluations that a change may overtake before the next ones are postponed. */
const MAX_OVERTAKEN = 10

/** Runs of one evaluation: the query runs again when it has read a state that was taken back. */
const MAX_RUNS = 5

/** Estimated bytes of a row in a list whose records the store has in any case. */
const ROW_BYTES = 64

/** Estimated bytes of a read that is remembered. */
const READ_BYTES = 96

/** A query in code, with its parameters, and the records that it may read. */
export interface CodeQuery {
  readonly query: string
  readonly params: unknown
  readonly scope: Scope
  /** The id of the client that subscribed first. */
  readonly owner: string
}

/** The result of one run of a query. */
export interface CodeRun {
  readonly result: unknown
  /** The revision of the store at the end of the run. */
  readonly revision: number
  /** Settles when every state that it may have read is durable, or taken back; absent where all are. */
  readonly durable: Promise<void> | undefined
}

/** The parts of the collection of live queries that the sources of queries in code use. */
export interface CodeSourceHost {
  /** The revision of the store, durable or not. */
  readonly revision: number
  /** The revision up to which all commits are durable and told. */
  readonly toldRevision: number
  track: (dependent: Dependent) => ReadSet
  /** Returns the key fields of the buckets that have been read, in the order of the first reads. */
  keyFieldsOf: (reads: ReadSet) => string[]
  run: (query: CodeQuery, reads: ReadSet) => Promise<CodeRun>
  /** Encodes a result. Rejects with an error that names the query where JSON cannot hold it. */
  encode: (query: string, result: unknown) => Promise<string>
  /** Calls `source.evaluate()` after the changes of this tick. */
  schedule: (source: CodeSource) => void
  /** Calls `source.evaluate()` after a pause that grows with `overtaken`, from 0 on. */
  postpone: (source: CodeSource, overtaken: number) => void
}

/** Builds the error of a query whose result cannot be encoded. */
export function notJson (query: string, error: unknown): Error {
  return new Error(`query "${query}" has returned what JSON cannot hold`, { cause: error })
}

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
 * The result of a query in code. It runs again when something that it has read has changed: one evaluation at
 * a time; a change that arrives meanwhile causes another one afterwards, so that the last result is always
 * that of the last state.
 */
export class CodeSource implements LiveSource, Dependent {
  readonly query: CodeQuery
  readonly page = undefined
  readonly #host: CodeSourceHost
  readonly #listener: SourceListener
  #waiters: Waiter[] = []
  #reads: ReadSet | undefined
  #list: KeyedList | undefined
  #text: string | undefined
  #used: UsedNames = new Set()
  /** Whether it is known which parameters it uses. */
  #hasUsed = false
  #hasResult = false
  #evaluation = 0
  /** Consecutive evaluations during which a record that they read has changed. */
  #overtaken = 0
  #isRunning = false
  /** Revision of the store at the beginning of the run that is under way. */
  #begunAt = 0
  /** Revision of the first change since then to a record that the query reads. */
  #changedAt = Infinity
  /** Revision of the store at the end of the run that has given the result. */
  #runRevision = 0
  /** Whether the result may be outdated, or there is none. */
  #isDirty = true
  #isScheduled = false
  #isFollowed = true
  #isFailing = false
  #isClosed = false

  constructor (query: CodeQuery, listener: SourceListener, host: CodeSourceHost) {
    this.query = query
    this.#listener = listener
    this.#host = host
  }

  get keyField (): string | undefined {
    return this.#list?.keyField
  }

  get revision (): number {
    // As long as nothing that it has read has changed, the result is that of later states too.
    return this.isBehind ? this.#runRevision : Math.max(this.#runRevision, this.#host.toldRevision)
  }

  get isBehind (): boolean {
    return this.#isDirty || this.#isRunning
  }

  /** The JSON of a result that is no list with keys. */
  get text (): string | undefined {
    return this.#text
  }

  get size (): number {
    return this.#list?.size ?? 0
  }

  get bytes (): number {
    const text = (this.#text?.length ?? 0) * 2
    return this.size * ROW_BYTES + (this.#list?.bytes ?? 0) + text + (this.#reads?.size ?? 0) * READ_BYTES
  }

  /** The parameters that the query has read in its runs so far. */
  get used (): UsedNames {
    return this.#used
  }

  indexOf (key: unknown): number {
    return this.#list?.indexOf(key) ?? -1
  }

  row (key: unknown): object | undefined {
    return this.#list?.row(key)
  }

  result (): unknown {
    return this.#list?.rows
  }

  async fresh (): Promise<void> {
    if (this.#isClosed) throw connectionEnded()
    if (!this.#isRunning && !this.#isDirty) return
    // The evaluation under way suffices unless a record that it has read has changed meanwhile.
    const evaluation = this.#isRunning && !this.#isDirty ? this.#evaluation : this.#evaluation + 1
    const fresh = new Promise<void>(
      (resolve, reject) => { this.#waiters.push({ evaluation, resolve, reject }) }
    )
    await Promise.all([fresh, this.evaluate()])
  }

  /** Returns `undefined`: a row may change without a change of its own record. */
  touchesSince (): undefined {
    return undefined
  }

  follow (isFollowed: boolean): void {
    this.#isFollowed = isFollowed
    if (isFollowed && this.#isDirty && this.#hasResult) this.#plan()
  }

  retry (): void {
    if (this.#isFailing) this.invalidate(this.#host.revision)
  }

  close (error: unknown = connectionEnded()): void {
    this.#isClosed = true
    this.#reads?.release()
    this.#reads = undefined
    this.#settle(Infinity, { error })
  }

  invalidate (revision: number): void {
    // A commit is announced when it is durable, and then a run may have read it already.
    if (revision <= this.#begunAt && !this.#isFailing) return
    this.#isDirty = true
    this.#changedAt = Math.min(this.#changedAt, revision)
    this.#plan()
  }

  #plan (): void {
    if (this.#isRunning || this.#isScheduled || this.#isClosed || !this.#isFollowed) return
    this.#isScheduled = true
    if (this.#overtaken < MAX_OVERTAKEN) this.#host.schedule(this)
    else this.#host.postpone(this, this.#overtaken - MAX_OVERTAKEN)
  }

  /** Evaluates the query unless its result is current. Resolves when that is done; never rejects. */
  async evaluate (): Promise<void> {
    this.#isScheduled = false
    if (this.#isRunning || !this.#isDirty || this.#isClosed) return
    if (!this.#isFollowed && this.#waiters.length === 0) return
    // `#evaluate` catches the errors of the query; this is for any other, so that no caller waits for ever.
    await this.#evaluate().catch((error: unknown) => {
      this.#isRunning = false
      this.#listener.onFailure(error)
      this.#settle(Infinity, { error })
    })
  }

  async #evaluate (): Promise<void> {
    const evaluation = ++this.#evaluation
    this.#isRunning = true
    const reads = this.#host.track(this)
    const earlier = this.#reads
    const { params, used } = recordParams(this.query.params)
    let failure: Failure | undefined
    let run: CodeRun | undefined
    try {
      run = await this.#run(params, reads)
      if (!this.#isClosed) await this.#publish(run, reads)
      earlier?.release(reads)
    } catch (error) {
      failure = { error }
      if (earlier !== undefined) reads.include(earlier)
    }
    this.#reads = reads
    this.#isRunning = false
    if (this.#isClosed) {
      reads.release()
      this.#reads = undefined
      return
    }
    this.#noteUsed(used())
    const isOutdated = this.#isDirty
    // A change after the run, while its state became durable, has not overtaken it.
    const changedMeanwhile = isOutdated && this.#changedAt <= (run?.revision ?? Infinity)
    this.#overtaken = changedMeanwhile ? this.#overtaken + 1 : 0
    if (failure === undefined) this.#succeed()
    else this.#fail(failure.error)
    this.#settle(evaluation, failure)
    if (isOutdated) this.#plan()
    else this.#listener.onSettled()
  }

  /** Runs the query, again where the state that it has read is taken back, up to `MAX_RUNS` times. */
  async #run (params: unknown, reads: ReadSet): Promise<CodeRun> {
    for (let count = 1; ; count++) {
      this.#isDirty = false
      this.#begunAt = this.#host.revision
      this.#changedAt = Infinity
      try {
        const run = await this.#host.run({ ...this.query, params }, reads)
        if (run.durable !== undefined) await run.durable
        return run
      } catch (error) {
        if (count === MAX_RUNS || !isTakenBack(error)) throw error
      }
    }
  }

  #noteUsed (used: UsedNames): void {
    const known = this.#used
    if (known === 'all') return
    if (used !== 'all' && this.#hasUsed && [...used].every(name => known.has(name))) return
    this.#hasUsed = true
    this.#used = used === 'all' ? 'all' : new Set([...known, ...used])
    this.#listener.onUsed()
  }

  /** Keeps the result of a run, and tells how it differs from the one before. */
  async #publish (run: CodeRun, reads: ReadSet): Promise<void> {
    const former = this.#list
    const list = await this.#listOf(run, reads)
    const touches = list && former && await list.touchesSince(former)
    const text = list === undefined ? await this.#host.encode(this.query.query, run.result) : undefined
    const isSame = touches === undefined
      ? this.#hasResult && text !== undefined && text === this.#text
      : touches.length === 0
    this.#runRevision = this.#revisionOf(run)
    this.#hasResult = true
    this.#list = list
    this.#text = text
    if (!isSame) this.#listener.onChange(this.#runRevision, touches)
  }

  async #listOf ({ result }: CodeRun, reads: ReadSet): Promise<KeyedList | undefined> {
    try {
      return await KeyedList.of(result, this.#host.keyFieldsOf(reads), this.#list)
    } catch (error) {
      throw notJson(this.query.query, error)
    }
  }

  /** Returns the last revision of which it is known that the result of a run is that of its state. */
  #revisionOf ({ revision }: CodeRun): number {
    if (this.#changedAt < Infinity) return Math.max(this.#begunAt, this.#changedAt - 1)
    return Math.min(revision, Math.max(this.#begunAt, this.#host.toldRevision))
  }

  #succeed (): void {
    this.#isFailing = false
    this.#listener.onResult()
  }

  /** Keeps the last result for its subscribers; the next subscription has the query evaluated again. */
  #fail (error: unknown): void {
    this.#isDirty = true
    this.#listener.onFailure(error)
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
