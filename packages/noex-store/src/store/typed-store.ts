import type { StoreBuckets } from './store-buckets.js'
import type { TypedAccessOptions } from '../types/access.js'
import type { CommitCause, TransactionOptions } from '../types/commit.js'
import type { ParamsIn } from '../types/query-params.js'
import type { ReadFilter } from '../types/query.js'
import type { StoreSchema } from '../types/record-types.js'
import type { TypedBucket, TypedTransaction } from './typed-bucket.js'
import type { EventOf, TopicOf, TypedCommit } from '../types/typed-changes.js'
import type { TypedViews } from '../types/typed-view.js'
import type {
  ConfigAggregate, ConfigResult, KeptFields, Query, QueryName, TypedQueryConfig,
  TypedQueryContext
} from '../types/typed-query.js'
import type { StoreOptions } from '../types/store.js'

/** Options of `Store.start` for a store with the buckets of a schema. */
export interface TypedStoreOptions<S extends StoreSchema> extends StoreOptions {
  /** Buckets that the store begins with, from `defineSchema`. */
  readonly schema: S
}

// As in typed-bucket.ts.
interface OpenStore extends StoreBuckets {
  bucket: any
  transaction: any
  on: any
  onCommit: any
  onDurable: any
  defineQuery: any
  subscribe: any
  runQuery: any
  defineDeclarativeQuery: any
  views: any
}

/**
 * A store of a schema: the same store, whose buckets have the types of their records. It can be passed
 * where a `Store` is wanted.
 */
export interface TypedStore<S extends StoreSchema> extends OpenStore {
  /** Returns a bucket's reads and writes. */
  bucket<N extends keyof S & string> (name: N, access?: TypedAccessOptions<S, N>): TypedBucket<S, N>
  /** Defines more buckets, and resolves with this store as one that has their types. */
  defineBuckets<T extends StoreSchema> (schema: T): Promise<TypedStore<T>>
  /** Runs `fn` and commits what it has written, as `Store.transaction` does. */
  transaction<T> (fn: (tx: TypedTransaction<S>) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Results of queries that are kept up to date, commit by commit. */
  readonly views: TypedViews<S>
  /** Hears of changed records; the topic tells the type of the message. */
  on<P extends TopicOf<S>> (
    pattern: P, handler: (message: EventOf<S, P>, topic: string) => void
  ): Promise<() => Promise<void>>
  /** Hears of every commit when it is applied. */
  onCommit (listener: (commit: TypedCommit<S>) => void): () => void
  /** Hears of every commit when it is durable. */
  onDurable (listener: (commit: TypedCommit<S>) => void): () => void
  /** Defines a query in code; `runQuery` and `subscribe` know the types of what it returns. */
  defineQuery<TParams = void, TResult = unknown> (
    name: string, fn: (ctx: TypedQueryContext<S>, params: TParams) => Promise<TResult>
  ): Query<TParams, TResult>
  /** Defines a query as data; `runQuery` and `subscribe` know the types of what it returns. */
  defineDeclarativeQuery<
    N extends keyof S & string,
    const F extends KeptFields<S, N> = never,
    const A extends ConfigAggregate<S, N> = never,
    const C = never
  > (
    name: string, config: TypedQueryConfig<S, N, F, A, C>, options?: CommitCause
  ): Query<ParamsIn<S, N, C>, ConfigResult<S, N, F, A>>
  /** Runs a query, and calls `callback` with each result after that. Resolves with what ends it. */
  subscribe<TResult = unknown> (
    queryName: QueryName, callback: (result: TResult) => void
  ): Promise<() => void>
  subscribe<TParams, TResult = unknown> (
    queryName: QueryName, params: TParams, callback: (result: TResult) => void, readFilter?: ReadFilter
  ): Promise<() => void>
  subscribe<TParams, TResult> (
    query: Query<TParams, TResult>,
    ...rest: undefined extends TParams
      ? [callback: (result: TResult) => void] | SubscribeRest<TParams | undefined, TResult>
      : SubscribeRest<TParams, TResult>
  ): Promise<() => void>
  /** Runs a query once. */
  runQuery<TResult = unknown> (queryName: QueryName, params?: unknown, ...rest: RunRest): Promise<TResult>
  runQuery<TParams, TResult> (
    query: Query<TParams, TResult>,
    ...rest: undefined extends TParams ? [params?: TParams, ...RunRest] : [params: TParams, ...RunRest]
  ): Promise<TResult>
}

/** The parameters of `Store.runQuery` after those of the query. */
type RunRest = Parameters<StoreBuckets['runQuery']> extends [string, unknown?, ...infer R] ? R : never
type SubscribeRest<TParams, TResult> =
  [params: TParams, callback: (result: TResult) => void, readFilter?: ReadFilter]
