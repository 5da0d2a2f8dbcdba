import { connectionEnded } from '../protocol/refusals.js'
import { CodeRuns, type CodeQuery, type CodeRun, type CodeRunsHost } from './code-runs.js'
import type { Dependent, ReadSet } from './dependency-index.js'
import { EvaluationWaiters, type Failure } from './evaluation-waiters.js'
import { KeyedList } from './keyed-list.js'
import type { LiveSource, SourceListener } from './live-source.js'
import { recordParams, type UsedNames } from './recorded-params.js'

/** Consecutive evaluations that a change may overtake before the next ones are postponed. */
const MAX_OVERTAKEN = 10

/** Estimated bytes of a row in a list whose records the store has in any case. */
const ROW_BYTES = 64

/** Estimated bytes of a read that is remembered. */
const READ_BYTES = 96

/** The parts of the collection of live queries that the sources of queries in code use. */
export interface CodeSourceHost extends CodeRunsHost {
  track: (dependent: Dependent) => ReadSet
  /** Returns the key fields of the buckets that have been read, in the order of the first reads. */
  keyFieldsOf: (reads: ReadSet) => string[]
  /** Returns the buckets that have been read and have this key field. */
  bucketsOf: (reads: ReadSet, keyField: string) => string[]
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
  readonly #waiters = new EvaluationWaiters()
  readonly #runs: CodeRuns
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
  /** Revision of the store at the end of the run that has given the result. */
  #runRevision = 0
  #isScheduled = false
  #isFollowed = true
  #isFailing = false
  #isClosed = false

  constructor (query: CodeQuery, listener: SourceListener, host: CodeSourceHost) {
    this.query = query
    this.#listener = listener
    this.#host = host
    this.#runs = new CodeRuns(host)
  }

  get keyField (): string | undefined {
    return this.#list?.keyField
  }

  get bucket (): string | undefined {
    if (this.keyField === undefined || this.#reads === undefined) return undefined
    const buckets = this.#host.bucketsOf(this.#reads, this.keyField)
    // Of several, a row may be of either.
    return buckets.length === 1 ? buckets[0] : undefined
  }

  get revision (): number {
    // As long as nothing that it has read has changed, the result is that of later states too.
    return this.isBehind ? this.#runRevision : Math.max(this.#runRevision, this.#host.toldRevision)
  }

  get isBehind (): boolean {
    return this.#runs.isOutdated || this.#isRunning
  }

  get isPending (): boolean {
    return this.#isRunning || this.#isScheduled
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
    if (!this.#isRunning && !this.#runs.isOutdated) return
    // The evaluation under way suffices unless a record that it has read has changed meanwhile.
    const evaluation = this.#isRunning && !this.#runs.isOutdated ? this.#evaluation : this.#evaluation + 1
    await Promise.all([this.#waiters.wait(evaluation), this.evaluate()])
  }

  /** Returns `undefined`: a row may change without a change of its own record. */
  touchesSince (): undefined {
    return undefined
  }

  follow (isFollowed: boolean): void {
    this.#isFollowed = isFollowed
    if (isFollowed && this.#runs.isOutdated && this.#hasResult) this.#plan()
  }

  retry (): void {
    if (this.#isFailing) this.invalidate(this.#host.revision)
  }

  close (error: unknown = connectionEnded()): void {
    this.#isClosed = true
    this.#reads?.release()
    this.#reads = undefined
    this.#waiters.rejectAll(error)
  }

  invalidate (revision: number): void {
    // A commit is announced when it is durable, and then a run may have read it already.
    if (this.#runs.mayHaveRead(revision) && !this.#isFailing) return
    this.#runs.noteChange(revision)
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
    if (this.#isRunning || !this.#runs.isOutdated || this.#isClosed) return
    if (!this.#isFollowed && this.#waiters.size === 0) return
    // `#evaluate` catches the errors of the query; this is for any other, so that no caller waits for ever.
    await this.#evaluate().catch((error: unknown) => {
      this.#isRunning = false
      this.#listener.onFailure(error)
      this.#waiters.rejectAll(error)
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
      run = await this.#runs.run({ ...this.query, params }, reads)
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
    const { isOutdated } = this.#runs
    this.#overtaken = this.#runs.isOvertaken(run) ? this.#overtaken + 1 : 0
    if (failure === undefined) this.#succeed()
    else this.#fail(failure.error)
    this.#waiters.settle(evaluation, failure)
    if (isOutdated) this.#plan()
    else this.#listener.onSettled()
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
    this.#runRevision = this.#runs.revisionOf(run)
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

  #succeed (): void {
    this.#isFailing = false
    this.#listener.onResult()
  }

  /** Keeps the last result for its subscribers; the next subscription has the query evaluated again. */
  #fail (error: unknown): void {
    this.#runs.noteFailure()
    this.#listener.onFailure(error)
    this.#isFailing = true
  }
}
