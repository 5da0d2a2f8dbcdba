import type { Rejections } from '../limits/rejections.js'
import { NoexServerError } from '../protocol/errors.js'
import { isBucketMissing, isFilterRefused } from '../store/noex-store.js'
import type { SharedStore } from '../store/shared-store.js'
import { Work } from '../store/work.js'
import type { Clock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import type { Log } from '../util/log.js'
import type { Resolved } from '../util/option-schema.js'
import { CodeQueries } from './code-queries.js'
import { CodeSource } from './code-source.js'
import { LiveMemory } from './live-memory.js'
import type { liveOptions } from './live-options.js'
import { LiveQuery, type LiveQueryHost } from './live-query.js'
import { LiveQueryIndex } from './live-query-index.js'
import { LiveQueryInvalidator } from './live-query-invalidator.js'
import { configOf, keyOf, nameOf, type LiveRequest } from './live-request.js'
import type { LiveSource } from './live-source.js'
import { Publisher } from './publisher.js'
import type { QueryCost, QueryMetrics } from './query-metrics.js'
import type { QueryRunner } from './query-runner.js'
import { usedKey } from './recorded-params.js'
import { settled, ViewSource } from './view-source.js'

/** The parts and bounds that live queries work with. */
export type LiveQueriesEnvironment = Resolved<typeof liveOptions> & {
  readonly queries: QueryRunner
  /** Measures evaluations. */
  readonly metrics: QueryMetrics
  readonly rejections: Rejections
  readonly log: Log
  readonly clock: Clock
  /** Units of work that one evaluation of a query that is given as data may take. */
  readonly workBudget: number
}

/** The memory of live queries. */
export interface LiveQueryStats {
  /** Number of distinct live queries. */
  readonly count: number
  /** Estimated bytes of them. */
  readonly bytes: number
  /** The changes that the store remembers for clients that come back. */
  readonly resume: { readonly keys: number, readonly bytes: number }
}

/**
 * The live queries of a service: finds the one for a subscription, keeps those for a while whose clients may
 * come back, and ends them by changes of the store.
 */
export class LiveQueries implements LiveQueryHost {
  readonly clock: Clock
  readonly publisher: Publisher
  readonly metrics: QueryMetrics
  readonly #sharedStore: SharedStore
  readonly #environment: LiveQueriesEnvironment
  readonly #code: CodeQueries
  readonly #memory: LiveMemory
  readonly #all = new LiveQueryIndex()
  readonly #invalidator: LiveQueryInvalidator
  /** Live queries without subscribers that are kept for those who come back. */
  readonly #abandoned: DeadlineQueue<LiveQuery>
  #stopListening: Array<() => void> = []

  constructor (sharedStore: SharedStore, environment: LiveQueriesEnvironment) {
    const { log, clock, queries, metrics, liveQueries, resume, rejections } = environment
    this.clock = clock
    this.metrics = metrics
    this.#sharedStore = sharedStore
    this.#environment = environment
    this.#code = new CodeQueries(sharedStore, { queries, log, clock, metrics })
    this.#invalidator = new LiveQueryInvalidator(sharedStore.store, this.#code.index, this.#all)
    this.#memory = new LiveMemory(liveQueries, rejections)
    this.publisher = new Publisher(sharedStore.store.views, log)
    this.#abandoned = new DeadlineQueue(resume.windowMs, clock, liveQuery => { this.#forget(liveQuery) })
  }

  /** The number of distinct live queries. */
  get size (): number {
    return this.#all.size
  }

  /** Returns the memory that is taken, for the statistics. */
  get stats (): LiveQueryStats {
    const { size, bytes } = this.#sharedStore.store.changedKeys
    return { count: this.size, bytes: this.#memory.total, resume: { keys: size, bytes } }
  }

  /** Listens to the store. To be called before the first subscription. */
  start (): void {
    const { store } = this.#sharedStore
    store.changedKeys.bound(this.#environment.resume)
    this.#stopListening = [
      store.onDurable(commit => { this.#invalidator.onCommit(commit) }),
      store.views.onRevision(() => { this.publisher.schedule() })
    ]
  }

  stop (): void {
    for (const stop of this.#stopListening) stop()
    this.publisher.stop()
    this.#code.stop()
    this.#abandoned.clear()
    for (const liveQuery of this.#all) liveQuery.source.close()
  }

  /** Returns the live query of a request, shared by equal ones. @throws the error of wrong parameters */
  find (request: LiveRequest): LiveQuery {
    const config = configOf(this.#sharedStore.store, request)
    const key = config && keyOf(request, config)
    const known = this.#all.find(request, key)
    if (known !== undefined) {
      this.#abandoned.delete(known)
      return known
    }
    const liveQuery = new LiveQuery(request, this)
    this.#all.add(liveQuery, key)
    if (liveQuery.cost !== undefined) liveQuery.cost.liveQueries++
    return liveQuery
  }

  /** All of them, in the order in which they were made; they may come and go meanwhile. */
  get all (): Iterable<LiveQuery> {
    return this.#all
  }

  costOf ({ request }: LiveQuery): QueryCost | undefined {
    return this.metrics.costOf(request)
  }

  /** Returns the number of subscriptions to a query, with any parameters. */
  subscribersOf (query: string): number {
    let count = 0
    for (const { request, subscribers } of this.#all) if (request.query === query) count += subscribers
    return count
  }

  sourceOf (liveQuery: LiveQuery): LiveSource {
    const { request } = liveQuery
    const { store } = this.#sharedStore
    const config = configOf(store, request)
    if (config === undefined) {
      const { params, scope, owner, account } = request
      const query = { query: request.query as string, params, scope, owner, account, cost: liveQuery.cost }
      return new CodeSource(query, liveQuery, this.#code)
    }
    return new ViewSource(config, request.scope.rows, liveQuery, {
      views: store.views,
      changedKeys: store.changedKeys,
      settled: () => settled(store),
      beginEvaluation: () => this.metrics.begin(liveQuery.cost, request.account),
      work: () => new Work(this.#environment.workBudget)
    })
  }

  get history (): string {
    return this.#sharedStore.store.epoch
  }

  identityOf (liveQuery: LiveQuery): string {
    // A query in code, and the ends of a page, are known by what they have been in this process alone.
    const key = liveQuery.request.page === undefined ? this.#all.keyOf(liveQuery) : undefined
    return key ?? liveQuery.id
  }

  get isAnnouncing (): boolean {
    return this.publisher.announcing > 0
  }

  isChanged (liveQuery: LiveQuery): boolean {
    return this.publisher.isChanged(liveQuery)
  }

  onChanged (liveQuery: LiveQuery): void {
    this.publisher.add(liveQuery)
  }

  admit (liveQuery: LiveQuery): void {
    const exceeded = this.#memory.count(liveQuery)
    if (exceeded === undefined) return
    // Those go first that only wait for a client to come back; of others only where all have too many.
    const { account } = liveQuery.request
    for (const one of this.#all) {
      const isConcerned = exceeded === 'maxBytes' || one.request.account === account
      if (isConcerned && one.subscribers === 0 && one !== liveQuery) this.#forget(one)
    }
    const limit = this.#memory.count(liveQuery)
    if (limit !== undefined) throw this.#memory.refusal(limit)
  }

  onGrown (liveQuery: LiveQuery): void {
    try {
      this.admit(liveQuery)
    } catch (error) {
      const problem = 'a live query has ended: its result takes more memory than live queries may'
      this.#environment.log.warn({ query: nameOf(liveQuery.request), bytes: liveQuery.bytes }, problem)
      liveQuery.end('memory_limit', error)
    }
  }

  onText (liveQuery: LiveQuery, chars: number): void {
    this.#memory.countText(liveQuery, chars)
  }

  onUsed (liveQuery: LiveQuery): void {
    const { used } = liveQuery.source as CodeSource
    const key = usedKey(liveQuery.request.params, used)
    const isFound = this.#all.use(liveQuery, used)
    liveQuery.regroup(params => !isFound || usedKey(params, used) !== key)
  }

  presentFor (liveQuery: LiveQuery, request: LiveRequest): LiveQuery {
    const isOfData = this.#all.keyOf(liveQuery) !== undefined
    return isOfData ? liveQuery : this.find({ ...request, scope: liveQuery.scope })
  }

  onAbandoned (liveQuery: LiveQuery): void {
    const { windowMs } = this.#environment.resume
    if (!liveQuery.lingers || windowMs === 0) return this.#forget(liveQuery)
    liveQuery.source.follow(false)
    this.#abandoned.add(liveQuery)
  }

  onEnded (liveQuery: LiveQuery): void {
    this.#forget(liveQuery)
  }

  onFailure (liveQuery: LiveQuery, error: unknown): void {
    if (error instanceof Error && error.name === 'QueryNotDefinedError') {
      liveQuery.end('query_undefined', error)
    } else if (isBucketMissing(error) && this.#all.keyOf(liveQuery) !== undefined) {
      // It was dropped before the first result.
      liveQuery.end('bucket_dropped', error)
    } else if (isFilterRefused(error) && liveQuery.request.page !== undefined) {
      // Under other rights, the page would begin behind a record that is not known any more.
      liveQuery.end('failed', error)
    } else if (error instanceof NoexServerError && error.code === 'FORBIDDEN') {
      // It has begun to read a bucket that its subscribers may not.
      liveQuery.end('forbidden', error)
    } else if (liveQuery.hasResult && !liveQuery.isFailing) {
      // A client that waits for the first result is told of the failure, and it is logged there.
      this.#environment.log.warn(
        { err: error, query: nameOf(liveQuery.request) },
        'live query failed; its subscribers keep the last result'
      )
    }
  }

  #forget (liveQuery: LiveQuery): void {
    if (!this.#all.delete(liveQuery)) return
    if (liveQuery.cost !== undefined) liveQuery.cost.liveQueries--
    this.#abandoned.delete(liveQuery)
    this.#memory.release(liveQuery)
    liveQuery.source.close()
  }
}
