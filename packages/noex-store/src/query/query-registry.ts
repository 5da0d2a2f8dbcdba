import type { Engine } from '../commit/engine.js'
import {
  BucketNotDefinedError, QueryAlreadyDefinedError, QueryNotDefinedError, TooManyRunsError
} from '../errors.js'
import { isSameData } from '../schema/definition-data.js'
import { frozenDefinition } from '../schema/frozen.js'
import type { Commit, CommitCause } from '../types/commit.js'
import type { DeclarativeQueryConfig, QueryInfo, QueryRunOptions, ReadFilter } from '../types/query.js'
import { declarativeQuery, type AnyQueryFn } from './declarative.js'
import { DependencyIndex } from './dependency-index.js'
import { LiveQuery } from './live-query.js'
import { TrackedContext } from './query-context.js'
import { MAX_RERUNS, ReadMoment, type Dependent } from './read-moment.js'

/** Runs of one query at a time; one that runs itself would go on until the memory is used up. */
const MAX_RUNS = 10_000

/** Runs that begin within each other before one waits for a microtask, so that the stack is not used up. */
const MAX_NESTED = 100

interface DefinedQuery {
  readonly fn: AnyQueryFn
  /** `undefined` for a query in code. */
  readonly config: DeclarativeQueryConfig | undefined
  readonly live: Set<LiveQuery>
  /** Whether it came from a log, and no definition of this process has taken it over. */
  isRecovered: boolean
}

/** The queries of a store and those who watch them. */
export class QueryRegistry {
  readonly #engine: Engine
  readonly #queries = new Map<string, DefinedQuery>()
  readonly #index = new DependencyIndex<Dependent>()

  constructor (engine: Engine) {
    this.#engine = engine
    engine.onApplied(commit => { this.#onCommit(commit) })
  }

  /** @throws QueryAlreadyDefinedError */
  define (name: string, fn: AnyQueryFn): void {
    if (this.#queries.has(name)) throw new QueryAlreadyDefinedError(name)
    this.#queries.set(name, { fn: limited(name, fn), config: undefined, live: new Set(), isRecovered: false })
  }

  /**
   * Defines a query as data, by a commit. One that came from a log is taken over by the same definition.
   * @throws QueryAlreadyDefinedError, BucketNotDefinedError
   */
  defineDeclarative (
    name: string, config: DeclarativeQueryConfig, options?: CommitCause
  ): void {
    this.#engine.assertWritable()
    if (!this.#engine.buckets.has(config.bucket)) throw new BucketNotDefinedError(config.bucket)
    const known = this.#queries.get(name)
    if (known?.isRecovered === true && isSameData(config, known.config)) {
      known.isRecovered = false
      return
    }
    if (known !== undefined) throw new QueryAlreadyDefinedError(name)
    const frozen = frozenDefinition(config) as DeclarativeQueryConfig
    this.#engine.commitStructure(
      { type: 'query', query: name, config: frozen },
      () => { this.put(name, frozen) },
      () => { this.put(name, undefined) },
      options)
  }

  /** Removes a query by a commit, and ends its subscriptions. Returns whether there was one. */
  undefine (name: string, options?: CommitCause): boolean {
    const query = this.#queries.get(name)
    if (query === undefined) return false
    this.#engine.assertWritable()
    this.#engine.commitStructure(
      { type: 'query', query: name, config: undefined },
      () => { this.#remove(name) },
      () => { this.#queries.set(name, { ...query, live: new Set() }) },
      options)
    return true
  }

  /**
   * Puts a declarative query in, or removes one, without a commit. A query in code is not removed: it is of
   * this process alone. One that this process has defined in the same way stays its own.
   */
  put (name: string, config: DeclarativeQueryConfig | undefined, isRecovered = false): void {
    const query = this.#queries.get(name)
    if (config === undefined && query?.config === undefined) return
    this.#remove(name)
    if (config === undefined) return
    const fn = limited(name, declarativeQuery(this.#engine, config))
    const isOwn = query?.isRecovered === false && query.config !== undefined &&
      isSameData(config, query.config)
    this.#queries.set(name, { fn, config, live: new Set(), isRecovered: isRecovered && !isOwn })
  }

  list (): QueryInfo[] {
    return [...this.#queries].map(([name, query]) => infoOf(name, query))
  }

  info (name: string): QueryInfo | undefined {
    const query = this.#queries.get(name)
    return query === undefined ? undefined : infoOf(name, query)
  }

  /** Declarative queries by name. */
  get configs (): Array<readonly [string, DeclarativeQueryConfig]> {
    return [...this.#queries].flatMap(
      ([name, { config }]) => config === undefined ? [] : [[name, config] as const]
    )
  }

  get subscriptionCount (): number {
    return [...this.#queries.values()].reduce((sum, { live }) => sum + live.size, 0)
  }

  /**
   * Runs a query once; one in code again, up to five times, when its reads are of several moments.
   * @throws QueryNotDefinedError, TooManyRunsError, and what the query throws
   */
  async run (
    name: string, params: unknown, readFilter?: ReadFilter, options: QueryRunOptions = {}
  ): Promise<unknown> {
    const { fn, config } = this.#query(name)
    for (let run = 0; ; run++) {
      // A query as data makes one read.
      const moment = config === undefined ? new ReadMoment(this.#index) : undefined
      const context = new TrackedContext(this.#engine, options, readFilter, moment)
      let result: unknown
      try {
        result = params === undefined ? await fn(context) : await fn(context, params)
      } finally {
        moment?.end()
      }
      if (moment?.isMixed !== true || run >= MAX_RERUNS) return result
      await this.#engine.slicer.nextTurn()
    }
  }

  /** Runs a query, and tells each result after the first one. Resolves with what ends that. */
  async subscribe (
    name: string, params: unknown, onResult: (result: unknown) => void, readFilter?: ReadFilter
  ): Promise<() => void> {
    const query = this.#query(name)
    const live: LiveQuery = new LiveQuery(
      this.#engine, this.#index, { query: name, fn: query.fn, params, readFilter, onResult }
    )
    await live.start()
    // Removed while it ran.
    if (this.#queries.get(name) === query) query.live.add(live)
    else live.end()
    return () => {
      live.end()
      query.live.delete(live)
    }
  }

  destroy (): void {
    for (const { live } of this.#queries.values()) for (const query of live) query.end()
    this.#queries.clear()
  }

  #remove (name: string): void {
    for (const live of this.#queries.get(name)?.live ?? []) live.end()
    this.#queries.delete(name)
  }

  #query (name: string): DefinedQuery {
    const query = this.#queries.get(name)
    if (query === undefined) throw new QueryNotDefinedError(name)
    return query
  }

  #onCommit ({ changes }: Commit): void {
    for (const change of changes) {
      if (this.#index.isEmpty) return
      if (change.type === 'drop') this.#endReaders(change.bucket)
      const bucket = 'bucket' in change ? this.#engine.buckets.get(change.bucket) : undefined
      for (const dependent of this.#index.of(change, bucket)) dependent.invalidate()
    }
  }

  #endReaders (bucket: string): void {
    for (const { live } of this.#queries.values()) {
      for (const query of live) {
        if (!query.reads(bucket)) continue
        query.end()
        live.delete(query)
      }
    }
  }
}

/** Refuses to run a query that has too many runs under way. */
function limited (name: string, fn: AnyQueryFn): AnyQueryFn {
  let runs = 0
  return async (...args) => {
    if (runs === MAX_RUNS) throw new TooManyRunsError(name, MAX_RUNS)
    runs++
    try {
      if (runs % MAX_NESTED === 0) await undefined
      return await fn(...args)
    } finally {
      runs--
    }
  }
}

function infoOf (name: string, { config, live, isRecovered }: DefinedQuery): QueryInfo {
  return {
    name,
    type: config === undefined ? 'programmatic' : 'declarative',
    activeSubscriptions: live.size,
    isRecovered,
    ...(config !== undefined && { config })
  }
}
