import type { AnyQueryFn } from '../query/declarative.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { CommitCause } from '../types/commit.js'
import type {
  DeclarativeQueryConfig, QueryContext, QueryInfo, QueryRunOptions, ReadFilter
} from '../types/query.js'
import type { ConfigParams } from '../types/query-params.js'
import type { Query } from '../types/typed-query.js'

/** The part of a store that defines, runs and watches queries. */
export class StoreQueries {
  readonly #registry: QueryRegistry

  protected constructor (registry: QueryRegistry) {
    this.#registry = registry
  }

  /**
   * Defines a query in code. Returns its name, whose type tells a store of a schema what `runQuery` and
   * `subscribe` give and take.
   * @throws QueryAlreadyDefinedError
   * @example
   * store.defineQuery('openOrders', async ctx => await ctx.bucket('orders').where({ state: 'open' }))
   */
  defineQuery<TParams = void, TResult = unknown> (
    name: string, fn: (ctx: QueryContext, params: TParams) => Promise<TResult>
  ): Query<TParams, TResult> {
    this.#registry.define(name, fn as AnyQueryFn)
    return name as Query<TParams, TResult>
  }

  /**
   * Defines a query as data. Returns its name, as `defineQuery` does.
   * @throws QueryAlreadyDefinedError, BucketNotDefinedError
   */
  defineDeclarativeQuery (
    name: string, config: DeclarativeQueryConfig, options?: CommitCause
  ): Query<ConfigParams> {
    this.#registry.defineDeclarative(name, config, options)
    return name as Query<ConfigParams>
  }

  /** Removes a query by a commit, and ends its subscriptions. Returns whether there was one. */
  undefineQuery (name: string, options?: CommitCause): boolean {
    return this.#registry.undefine(name, options)
  }

  /** Lists the queries. */
  getQueries (): QueryInfo[] {
    return this.#registry.list()
  }

  /** Describes a query; `undefined` where there is none. */
  getQueryInfo (name: string): QueryInfo | undefined {
    return this.#registry.info(name)
  }

  subscribe<TResult = unknown> (queryName: string, callback: (result: TResult) => void): Promise<() => void>
  subscribe<TParams, TResult = unknown> (
    queryName: string, params: TParams, callback: (result: TResult) => void, readFilter?: ReadFilter
  ): Promise<() => void>
  /**
   * Runs a query, and calls `callback` with each result after that. Resolves with what ends it.
   * @throws QueryNotDefinedError
   * @example
   * const unsubscribe = await store.subscribe('openOrders', orders => { console.log(orders) })
   */
  async subscribe (queryName: string, ...args: unknown[]): Promise<() => void> {
    const [params, callback, readFilter] = typeof args[0] === 'function' ? [undefined, args[0]] : args
    return await this.#registry.subscribe(
      queryName, params, callback as (result: unknown) => void, readFilter as ReadFilter | undefined
    )
  }

  /**
   * Runs a query once. `readFilter` is asked for each bucket that it opens; `options` hear what it reads
   * before it does, and count its work.
   * @throws QueryNotDefinedError, TooManyRunsError for one that runs itself, and what the query throws
   */
  async runQuery<TResult = unknown> (
    queryName: string, params?: unknown, readFilter?: ReadFilter, options?: QueryRunOptions
  ): Promise<TResult> {
    return await this.#registry.run(queryName, params, readFilter, options) as TResult
  }
}
