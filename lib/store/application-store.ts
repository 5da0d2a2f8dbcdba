import type {
  Changes, ChangesOf, FilterOf, InsertOf, KeyOf, Query, QueryBucket, QueryName, RecordOf, StoreRecord,
  StoreSchema, TransactionBucketHandle, TypedQueryBucket, TypedTransactionBucket, TypedTransactionWrites,
  TypedUpsertOptions, UpdateOf, UpsertOptions, WhereFilter, WriteOptions
} from '@hamicek/noex-store'

/**
 * The types of an application: it adds the member `schema`, so that `app.noex.store` and the operations know
 * its records.
 * @example
 * declare module 'fastify-noex' {
 *   interface NoexTypes { schema: typeof schema }
 * }
 */
export interface NoexTypes {}

/** The schema in `NoexTypes`; that of any buckets where there is none. */
type ApplicationSchema = NoexTypes extends { schema: infer S extends StoreSchema } ? S : StoreSchema

/** The options of a write that can be done on another machine. */
type ApplicationWriteOptions = Pick<WriteOptions, 'user' | 'expectedVersion'>

/** The reads and writes of a bucket: of a schema, or of any. */
export type ApplicationBucket<S extends StoreSchema, N extends keyof S & string> =
  string extends keyof S ? AnyBucket : SchemaBucket<S, N>

/** The reads and writes of a bucket in a transaction. */
export type ApplicationTransactionBucket<S extends StoreSchema, N extends keyof S & string> =
  string extends keyof S
    ? Pick<TransactionBucketHandle, TransactionReads | TransactionWrites>
    : TypedTransactionWrites<S, N> & Pick<TypedTransactionBucket<S, N>, TransactionReads>

type TransactionReads = 'name' | 'get' | 'all' | 'where' | 'findOne' | 'count' | 'groupBy'
type TransactionWrites =
  'insert' | 'insertMany' | 'update' | 'updateMany' | 'upsert' | 'delete' | 'deleteMany'

type Data = Record<string, unknown>

interface AnyBucket extends QueryBucket {
  readonly name: string
  insert (data: Data, options?: ApplicationWriteOptions): Promise<StoreRecord>
  /** Inserts all records or none. */
  insertMany (data: Data[], options?: ApplicationWriteOptions): Promise<StoreRecord[]>
  update (key: unknown, changes: Changes, options?: ApplicationWriteOptions): Promise<StoreRecord>
  /** Changes all records that match, or none. Resolves with their number. */
  updateMany (filter: WhereFilter, changes: Data, options?: ApplicationWriteOptions): Promise<number>
  upsert (
    data: Data, options?: Pick<UpsertOptions, 'user' | 'expectedVersion' | 'update'>
  ): Promise<StoreRecord>
  delete (key: unknown, options?: ApplicationWriteOptions): Promise<void>
  /** Deletes all records that match, or none. Resolves with their number. */
  deleteMany (filter: WhereFilter, options?: ApplicationWriteOptions): Promise<number>
  /** Removes all records at once. Records of other buckets that refer to them stay as they are. */
  clear (options?: ApplicationWriteOptions): Promise<void>
}

interface SchemaBucket<S extends StoreSchema, N extends keyof S & string>
  extends TypedQueryBucket<S, N>, Pick<AnyBucket, 'clear'> {
  readonly name: N
  insert (data: InsertOf<S, N>, options?: ApplicationWriteOptions): Promise<RecordOf<S, N>>
  insertMany (data: Array<InsertOf<S, N>>, options?: ApplicationWriteOptions): Promise<Array<RecordOf<S, N>>>
  update (
    key: KeyOf<S, N>, changes: ChangesOf<S, N>, options?: ApplicationWriteOptions
  ): Promise<RecordOf<S, N>>
  updateMany (
    filter: FilterOf<S, N>, changes: UpdateOf<S, N>, options?: ApplicationWriteOptions
  ): Promise<number>
  upsert (
    data: InsertOf<S, N>, options?: Pick<TypedUpsertOptions<S, N>, 'user' | 'expectedVersion' | 'update'>
  ): Promise<RecordOf<S, N>>
  delete (key: KeyOf<S, N>, options?: ApplicationWriteOptions): Promise<void>
  deleteMany (filter: FilterOf<S, N>, options?: ApplicationWriteOptions): Promise<number>
}

/** A transaction: all that it writes takes effect, or nothing. */
export interface ApplicationTransaction<S extends StoreSchema> {
  /** @throws BucketNotDefinedError */
  bucket<N extends keyof S & string> (name: N): Promise<ApplicationTransactionBucket<S, N>>
}

/**
 * A store for the reads and writes of the application: the part of `Store` that works in the same way where
 * several machines serve one store. There, writes go to the machine that commits, with their user.
 */
export interface ApplicationStore<S extends StoreSchema = ApplicationSchema> {
  /** Names of all buckets, in the order in which they were defined. */
  readonly bucketNames: readonly string[]
  /** Number of the last commit: each has one more than the one before. */
  readonly revision: number
  /** Text that names the history which revisions count. */
  readonly epoch: string
  hasBucket (name: string): boolean
  /**
   * Returns a bucket's reads and writes.
   * @throws BucketNotDefinedError
   * @example
   * await app.noex.store.bucket('orders').insert({ total: 20 }, { user: 'alice' })
   */
  bucket<N extends keyof S & string> (name: N): ApplicationBucket<S, N>
  /**
   * Runs `fn` and commits what it has written, all in one step or nothing; what it has read is checked in
   * that step. Resolves when it is durable.
   * @throws TransactionConflictError when another writer has changed what was read; what `fn` throws
   */
  transaction<T> (
    fn: (tx: ApplicationTransaction<S>) => T | Promise<T>, options?: Pick<WriteOptions, 'user'>
  ): Promise<T>
  /**
   * Runs a defined query once.
   * @throws QueryNotDefinedError, and what the query throws
   */
  runQuery<TResult = unknown> (query: QueryName, params?: unknown): Promise<TResult>
  runQuery<TParams, TResult> (
    query: Query<TParams, TResult>, ...params: undefined extends TParams ? [TParams?] : [TParams]
  ): Promise<TResult>
}
