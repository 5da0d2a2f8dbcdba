import type { BucketHandle } from './bucket-handle.js'
import type { TransactionBucketHandle } from '../transaction/transaction-bucket.js'
import type { TransactionContext } from '../transaction/transaction.js'
import type { WriteOptions } from '../types/commit.js'
import type { BucketName, InsertOf, KeyOf, RecordOf, StoreSchema, UpdateOf } from '../types/record-types.js'
import type { FilterOf } from '../types/typed-filter.js'
import type { TypedQueryBucket, TypedReads } from '../types/typed-query.js'

/** The changes of an update, or the function that makes them of the record as it is in that moment. */
export type ChangesOf<S extends StoreSchema, N extends BucketName<S>> =
  UpdateOf<S, N> | ((record: RecordOf<S, N>) => UpdateOf<S, N>)

/** `UpsertOptions` of a bucket of a schema. */
export interface TypedUpsertOptions<S extends StoreSchema, N extends BucketName<S>> extends WriteOptions {
  /** The changes of the record, where there is one. @default those that are inserted otherwise */
  readonly update?: ChangesOf<S, N>
}

/** Writes of a bucket of a schema. */
export interface TypedWrites<S extends StoreSchema, N extends BucketName<S>> {
  insert (data: InsertOf<S, N>, options?: WriteOptions): Promise<RecordOf<S, N>>
  insertMany (data: Array<InsertOf<S, N>>, options?: WriteOptions): Promise<Array<RecordOf<S, N>>>
  update (key: KeyOf<S, N>, changes: ChangesOf<S, N>, options?: WriteOptions): Promise<RecordOf<S, N>>
  updateMany (filter: FilterOf<S, N>, changes: UpdateOf<S, N>, options?: WriteOptions): Promise<number>
  upsert (data: InsertOf<S, N>, options?: TypedUpsertOptions<S, N>): Promise<RecordOf<S, N>>
  delete (key: KeyOf<S, N>, options?: WriteOptions): Promise<void>
  deleteMany (filter: FilterOf<S, N>, options?: WriteOptions): Promise<number>
}

/** Writes of a bucket of a schema in a transaction. */
export interface TypedTransactionWrites<S extends StoreSchema, N extends BucketName<S>> {
  insert (data: InsertOf<S, N>): Promise<RecordOf<S, N>>
  insertMany (data: Array<InsertOf<S, N>>): Promise<Array<RecordOf<S, N>>>
  update (key: KeyOf<S, N>, changes: ChangesOf<S, N>, options?: ExpectedVersion): Promise<RecordOf<S, N>>
  updateMany (filter: FilterOf<S, N>, changes: UpdateOf<S, N>): Promise<number>
  upsert (
    data: InsertOf<S, N>, options?: Pick<TypedUpsertOptions<S, N>, 'expectedVersion' | 'update'>
  ): Promise<RecordOf<S, N>>
  delete (key: KeyOf<S, N>, options?: ExpectedVersion): Promise<void>
  deleteMany (filter: FilterOf<S, N>): Promise<number>
}

type ExpectedVersion = Pick<WriteOptions, 'expectedVersion'>

// The members that a schema narrows are open first: so the compiler compares them with those of the class
// only where a program passes the one for the other.

interface OpenBucket extends BucketHandle {
  name: any
  get: any
  all: any
  where: any
  find: any
  findOne: any
  count: any
  first: any
  last: any
  paginate: any
  sum: any
  avg: any
  min: any
  max: any
  groupBy: any
  insert: any
  insertMany: any
  update: any
  updateMany: any
  upsert: any
  delete: any
  deleteMany: any
}

/** A bucket of a schema: the same handle, with the types of its records. */
export interface TypedBucket<S extends StoreSchema, N extends BucketName<S>>
  extends OpenBucket {
  readonly name: N
  get: TypedQueryBucket<S, N>['get']
  all: TypedQueryBucket<S, N>['all']
  where: TypedQueryBucket<S, N>['where']
  find: TypedQueryBucket<S, N>['find']
  findOne: TypedQueryBucket<S, N>['findOne']
  count: TypedQueryBucket<S, N>['count']
  first: TypedQueryBucket<S, N>['first']
  last: TypedQueryBucket<S, N>['last']
  paginate: TypedQueryBucket<S, N>['paginate']
  sum: TypedQueryBucket<S, N>['sum']
  avg: TypedQueryBucket<S, N>['avg']
  min: TypedQueryBucket<S, N>['min']
  max: TypedQueryBucket<S, N>['max']
  groupBy: TypedQueryBucket<S, N>['groupBy']
  insert: TypedWrites<S, N>['insert']
  insertMany: TypedWrites<S, N>['insertMany']
  update: TypedWrites<S, N>['update']
  updateMany: TypedWrites<S, N>['updateMany']
  upsert: TypedWrites<S, N>['upsert']
  delete: TypedWrites<S, N>['delete']
  deleteMany: TypedWrites<S, N>['deleteMany']
}

interface OpenTransactionBucket extends TransactionBucketHandle {
  name: any
  get: any
  all: any
  where: any
  findOne: any
  count: any
  groupBy: any
  insert: any
  insertMany: any
  update: any
  updateMany: any
  upsert: any
  delete: any
  deleteMany: any
}

/** A bucket of a schema as a transaction sees it. */
export interface TypedTransactionBucket<S extends StoreSchema, N extends BucketName<S>>
  extends OpenTransactionBucket {
  readonly name: N
  get: TypedReads<S, N>['get']
  all: TypedReads<S, N>['all']
  where: TypedReads<S, N>['where']
  findOne: TypedReads<S, N>['findOne']
  count: TypedReads<S, N>['count']
  groupBy: TypedQueryBucket<S, N>['groupBy']
  insert: TypedTransactionWrites<S, N>['insert']
  insertMany: TypedTransactionWrites<S, N>['insertMany']
  update: TypedTransactionWrites<S, N>['update']
  updateMany: TypedTransactionWrites<S, N>['updateMany']
  upsert: TypedTransactionWrites<S, N>['upsert']
  delete: TypedTransactionWrites<S, N>['delete']
  deleteMany: TypedTransactionWrites<S, N>['deleteMany']
}

interface OpenTransaction extends TransactionContext {
  bucket: any
}

/** A transaction on the buckets of a schema. */
export interface TypedTransaction<S extends StoreSchema> extends OpenTransaction {
  /** @throws BucketNotDefinedError */
  bucket<N extends keyof S & string> (name: N): Promise<TypedTransactionBucket<S, N>>
}
