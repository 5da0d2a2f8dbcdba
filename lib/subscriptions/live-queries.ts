import type { Change, Commit } from '@hamicek/noex-store'
import { runInNextTurn } from '../util/clock.js'
import type { Scope } from '../permissions/policy.js'
import { bucketNotDefined, NoexServerError, queryNotDefined } from '../protocol/errors.js'
import type { Log } from '../util/log.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import type { SharedStore } from '../store/shared-store.js'
import { Work } from '../store/work.js'
import type { Clock } from '../util/clock.js'
import { DependencyIndex, type Dependent, type ReadSet } from './dependency-index.js'
import { LiveQuery, type LiveQueryHost, type LiveQueryRun } from './live-query.js'
import type { QueryRunner } from './query-runner.js'

/** Longest pause before the evaluation of a live query that changes during each, in milliseconds. */
const MAX_PAUSE_MS = 1_000

/** The parts that live queries work with. */
export interface LiveQueriesEnvironment {
  readonly queries: QueryRunner
  readonly log: Log
  readonly clock: Clock
  /** Units of work that one evaluation of a declarative query may take. */
  readonly workBudget: number
}

/**
 * The live queries of a service: finds the one for a subscription, and invalidates them by changes of the
 * store.
 */
export class LiveQueries implements LiveQueryHost {
  readonly #sharedStore: SharedStore
  readonly #queries: QueryRunner
  readonly #log: Log
  readonly #clock: Clock
  readonly #workBudget: number
  readonly #liveQueries = new Map<string, LiveQuery>()
  readonly #keys = new Map<LiveQuery, string>()
  readonly #index = new DependencyIndex()
  #scheduled: LiveQuery[] = []
  /** Cancels the evaluations that wait for a pause to end. */
  readonly #postponed = new Set<() => void>()
  #evaluations = 0
  #stopListening = (): void => {}

  constructor (sharedStore: SharedStore, { queries, log, clock, workBudget }: LiveQueriesEnvironment) {
    this.#sharedStore = sharedStore
    this.#queries = queries
    this.#log = log
    this.#clock = clock
    this.#workBudget = workBudget
  }

  /** The number of distinct live queries. */
  get size (): number {
    return this.#liveQueries.size
  }

  /** The number of evaluations since the start. */
  get evaluations (): number {
    return this.#evaluations
  }

  /** Listens to the store. To be called before the first subscription. */
  start (): void {
    this.#stopListening = this.#sharedStore.store.onDurable(commit => { this.#onCommit(commit) })
  }

  stop (): void {
    this.#stopListening()
    this.#scheduled = []
    for (const cancel of this.#postponed) cancel()
    this.#postponed.clear()
  }

  /**
   * Returns the live query with these parameters under `scope`, shared by equal subscriptions. `owner` is the
   * id of the client that subscribes.
   */
  liveQuery (query: string, params: unknown, scope: Scope, owner: string): LiveQuery {
    const key = JSON.stringify([query, sortedMembers(params), scope.key])
    let liveQuery = this.#liveQueries.get(key)
    if (liveQuery === undefined) {
      liveQuery = new LiveQuery({ query, params, scope, owner }, this)
      this.#liveQueries.set(key, liveQuery)
      this.#keys.set(liveQuery, key)
    }
    return liveQuery
  }

  /** Returns the number of subscriptions to a query, with any parameters. */
  subscribersOf (query: string): number {
    let count = 0
    for (const liveQuery of this.#keys.keys()) if (liveQuery.query === query) count += liveQuery.subscribers
    return count
  }

  track (dependent: Dependent): ReadSet {
    return this.#index.track(dependent)
  }

  get revision (): number {
    return this.#sharedStore.store.revision
  }

  async run ({ query, params, scope, owner }: LiveQuery, reads: ReadSet): Promise<LiveQueryRun> {
    this.#evaluations++
    const work = new Work(this.#workBudget)
    const endRead = this.#sharedStore.store.beginRead()
    try {
      const text = await this.#queries.run({ query, params, rows: scope.rows, owner, reads, work })
      return { text, revision: this.revision, durable: endRead() }
    } catch (error) {
      // An error reveals the state that it comes from, as a result does.
      const pending = endRead()
      if (pending !== undefined) await pending
      throw error
    }
  }

  schedule (liveQuery: LiveQuery): void {
    if (this.#scheduled.push(liveQuery) > 1) return
    // After the replies of this tick: the client that made the change gets its reply first.
    runInNextTurn(() => {
      const scheduled = this.#scheduled
      this.#scheduled = []
      this.#evaluate(scheduled).catch((error: unknown) => {
        this.#log.error({ err: error }, 'live queries failed')
      })
    })
  }

  postpone (liveQuery: LiveQuery, overtaken: number): void {
    const pauseMs = Math.min(2 ** overtaken, MAX_PAUSE_MS)
    if (overtaken === 0) {
      const problem = 'what a live query reads changes during each evaluation; they are made less often'
      this.#log.warn({ query: liveQuery.query }, problem)
    }
    const cancel = this.#clock.after(pauseMs, () => {
      this.#postponed.delete(cancel)
      liveQuery.evaluate()
    })
    this.#postponed.add(cancel)
  }

  onAbandoned (liveQuery: LiveQuery): void {
    const key = this.#keys.get(liveQuery)
    if (key === undefined) return
    this.#keys.delete(liveQuery)
    this.#liveQueries.delete(key)
  }

  onFailure (liveQuery: LiveQuery, error: unknown): void {
    if (error instanceof Error && error.name === 'QueryNotDefinedError') {
      this.#end([liveQuery], 'query_undefined', queryNotDefined(liveQuery.query))
    } else if (error instanceof NoexServerError && error.code === 'FORBIDDEN') {
      // It has begun to read a bucket that its subscribers may not.
      this.#end([liveQuery], 'forbidden', error)
    } else if (liveQuery.hasResult && !liveQuery.isFailing) {
      // A client that waits for the first result is told of the failure, and it is logged there.
      this.#log.warn(
        { err: error, query: liveQuery.query },
        'live query failed; its subscribers keep the last result'
      )
    }
  }

  /** Evaluates live queries in slices. */
  async #evaluate (liveQueries: readonly LiveQuery[]): Promise<void> {
    for (const liveQuery of liveQueries) {
      if (isTurnOver()) await nextTurn()
      liveQuery.evaluate()
    }
  }

  /** Invalidates for all changes of a commit, so that a live query is evaluated once for all of them. */
  #onCommit ({ changes, revision }: Commit): void {
    for (const change of changes) this.#onChange(change, revision)
  }

  #onChange (change: Change, revision: number): void {
    switch (change.type) {
      case 'insert':
      case 'update':
      case 'delete':
        this.#invalidateRecord(change.bucket, change.key, revision)
        break
      case 'clear':
      case 'redefine':
        for (const dependent of this.#index.dependentsOf(change.bucket)) dependent.invalidate(revision)
        break
      case 'define':
        // A live query may have failed because this bucket did not exist.
        for (const liveQuery of this.#keys.keys()) if (liveQuery.isFailing) liveQuery.invalidate(revision)
        break
      case 'drop': {
        const dependents = this.#index.dependentsOf(change.bucket)
        const ended = [...this.#keys.keys()].filter(liveQuery => dependents.has(liveQuery))
        this.#end(ended, 'bucket_dropped', bucketNotDefined(change.bucket))
        break
      }
      case 'query': {
        if (change.config !== undefined) break
        const ended = [...this.#keys.keys()].filter(liveQuery => liveQuery.query === change.query)
        this.#end(ended, 'query_undefined', queryNotDefined(change.query))
      }
    }
  }

  #invalidateRecord (bucket: string, key: unknown, revision: number): void {
    this.#index.invalidate(bucket, this.#sharedStore.store.keyOf(bucket, key), revision)
  }

  #end (liveQueries: readonly LiveQuery[], reason: SubscriptionEnd, error: NoexServerError): void {
    for (const liveQuery of liveQueries) {
      this.onAbandoned(liveQuery)
      liveQuery.end(reason, error)
    }
  }
}

/** Returns the value with the members of objects sorted by name, so that equal parameters have equal JSON. */
function sortedMembers (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedMembers)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
  return Object.fromEntries(entries.map(([name, item]) => [name, sortedMembers(item)]))
}
