import { encodeInSlices } from '../protocol/parts.js'
import type { SharedStore } from '../store/shared-store.js'
import { Work } from '../store/work.js'
import { runInNextTurn, type Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import { rowsIn } from '../util/short-text.js'
import { withTimeout } from '../util/with-timeout.js'
import type { CodeQuery, CodeRun } from './code-runs.js'
import { notJson, type CodeSource, type CodeSourceHost } from './code-source.js'
import { DependencyIndex, type Dependent, type ReadSet } from './dependency-index.js'
import type { QueryMetrics } from './query-metrics.js'
import type { QueryRunner } from './query-runner.js'

/** Longest pause before the evaluation of a live query that changes during each, in milliseconds. */
const MAX_PAUSE_MS = 1_000

/**
 * Evaluations after a change that run beside each other: the results of all of them at once would take much
 * memory.
 */
const MAX_RUNNING = 2

/** Time after which an evaluation does not hold up the next ones any more, in milliseconds. */
const MAX_HOLD_UP_MS = 100

/** The parts that live queries in code work with. */
export interface CodeQueriesEnvironment {
  readonly queries: QueryRunner
  readonly log: Log
  readonly clock: Clock
  readonly metrics: QueryMetrics
}

/** Evaluates the live queries in code, in slices, and finds those that a change concerns. */
export class CodeQueries implements CodeSourceHost {
  readonly index = new DependencyIndex()
  readonly #sharedStore: SharedStore
  readonly #environment: CodeQueriesEnvironment
  #scheduled: CodeSource[] = []
  #running = 0
  /** Cancels the evaluations that wait for a pause to end. */
  readonly #postponed = new Set<() => void>()

  constructor (sharedStore: SharedStore, environment: CodeQueriesEnvironment) {
    this.#sharedStore = sharedStore
    this.#environment = environment
  }

  get revision (): number {
    return this.#sharedStore.store.revision
  }

  get toldRevision (): number {
    return this.#sharedStore.store.views.revision
  }

  track (dependent: Dependent): ReadSet {
    return this.index.track(dependent)
  }

  keyFieldsOf (reads: ReadSet): string[] {
    const { store } = this.#sharedStore
    const fields = Array.from(reads.buckets, bucket => store.getBucketSchema(bucket)?.key)
    return [...new Set(fields)].filter(field => field !== undefined)
  }

  bucketsOf (reads: ReadSet, keyField: string): string[] {
    const { store } = this.#sharedStore
    return [...reads.buckets].filter(bucket => store.getBucketSchema(bucket)?.key === keyField)
  }

  async run (
    { query, params, scope, owner, account, cost }: CodeQuery, reads: ReadSet
  ): Promise<CodeRun> {
    const { queries, metrics } = this.#environment
    const endRead = this.#sharedStore.store.beginRead()
    const endEvaluation = metrics.begin(cost, account)
    let result: unknown
    try {
      result = await queries.result({
        query, params, rows: scope.rows, owner, reads, work: new Work(Infinity)
      })
      return { result, revision: this.revision, durable: endRead() }
    } catch (error) {
      // An error reveals the state that it comes from, as a result does.
      const pending = endRead()
      if (pending !== undefined) await pending
      throw error
    } finally {
      endEvaluation(rowsIn(result))
    }
  }

  async encode (query: string, result: unknown): Promise<string> {
    try {
      const text = await encodeInSlices('', result, '')
      return typeof text === 'string' ? text : text.join('')
    } catch (error) {
      throw notJson(query, error)
    }
  }

  schedule (source: CodeSource): void {
    // After the replies of this tick: the client that made the change gets its reply first.
    if (this.#scheduled.push(source) === 1) runInNextTurn(() => { this.#evaluateNext() })
  }

  postpone (source: CodeSource, overtaken: number): void {
    const { log, clock } = this.#environment
    const pauseMs = Math.min(2 ** overtaken, MAX_PAUSE_MS)
    if (overtaken === 0) {
      const problem = 'what a live query reads changes during each evaluation; they are made less often'
      log.warn({ query: source.query.query }, problem)
    }
    const cancel = clock.after(pauseMs, () => {
      this.#postponed.delete(cancel)
      this.schedule(source)
    })
    this.#postponed.add(cancel)
  }

  stop (): void {
    this.#scheduled = []
    for (const cancel of this.#postponed) cancel()
    this.#postponed.clear()
  }

  /** Begins the next evaluations, as many as may run beside each other. */
  #evaluateNext (): void {
    while (this.#running < MAX_RUNNING) {
      const source = this.#scheduled.shift()
      if (source === undefined) return
      this.#evaluate(source).catch((error: unknown) => {
        this.#environment.log.error({ err: error }, 'live queries failed')
      })
    }
  }

  async #evaluate (source: CodeSource): Promise<void> {
    this.#running++
    try {
      if (isTurnOver()) await nextTurn()
      // One that waits for something else does not hold up the others.
      await withTimeout(MAX_HOLD_UP_MS, source.evaluate(), this.#environment.clock)
    } finally {
      this.#running--
      this.#evaluateNext()
    }
  }
}
