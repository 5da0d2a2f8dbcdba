import type { StoreSchema } from '@hamicek/noex-store/types'
import type {
  BucketOperation, BucketOperations, BucketRead, Entry, TransactionReply
} from './bucket-types.js'
import type { Keyed, ServerOperations } from './operation-types.js'
import type {
  BucketsOf, CallsOf, ClientSchema, NoMembers, NoOperations, ProcedureInput, ProcedureReply, ProceduresOf,
  QueriesOf, QueryParams, QueryResult
} from './schema-types.js'
import type { Client, Find, LiveQuery, QueryOptions, RequestOptions, WriteOptions } from './types.js'
import type {
  WireAggregate, WireField, WireFilter, WireGroup, WireInsert, WireKey, WireRecord, WireSort, WireUpdate
} from './wire-types.js'

/** The name of an operation of the server itself. Live queries and events have their own methods. */
type BuiltIn =
  BucketOperation | keyof ServerOperations | 'store.transaction' | 'store.query' | 'procedures.call'

/** The name of an operation whose members may all be left out. */
type WithoutMembers<C> = {
  [O in keyof ServerOperations]: NoMembers extends ServerOperations[O]['input'] ? O : never
}[keyof ServerOperations] | {
  [O in keyof C]: C[O] extends { readonly input: infer I } ? NoMembers extends I ? O : never : never
}[keyof C]

/** The names that a request of the operation `O` may have as `query` or `name`. */
type NamedBy<T extends ClientSchema, O> =
  O extends 'store.query' ? keyof QueriesOf<T> & string
    : O extends 'procedures.call' ? keyof ProceduresOf<T> & string : never

/** The members of a request: the bucket `N`, fields `F`, entries `E` and the name `P` are found in them. */
type Members<T extends ClientSchema, S extends StoreSchema, C, O, N extends keyof S & string, F, E, P> =
  O extends BucketOperation
    ? { readonly bucket: N } & BucketOperations<S, N, F>[O]['input'] & More<O, F>
    : O extends keyof ServerOperations ? ServerOperations[O]['input']
      : O extends 'store.transaction' ? Keyed & { readonly operations: E }
        : O extends 'store.query'
          ? { readonly query: P } & ParamsMember<QueryParams<QueriesOf<T>[P & string]>>
          : O extends 'procedures.call'
            ? Keyed & { readonly name: P } & ProcedureInput<ProceduresOf<T>[P & string]>
            : O extends keyof C ? C[O] extends { readonly input: infer I } ? Keyed & I : never : never

/** The fields of groups are found in the request; reads take no key. */
type More<O, F> =
  O extends 'store.groupBy' ? { readonly field: F | readonly F[] } : O extends BucketRead ? unknown : Keyed

type ParamsMember<P> =
  0 extends 1 & P ? { readonly params?: object }
    : undefined extends P ? { readonly params?: P } : { readonly params: P }

/** The data of the reply to such a request. */
type Reply<T extends ClientSchema, S extends StoreSchema, C, O, N extends keyof S & string, F, E, P> =
  O extends BucketOperation ? BucketOperations<S, N, F>[O]['output']
    : O extends keyof ServerOperations ? ServerOperations[O]['output']
      : O extends 'store.transaction' ? TransactionReply<S, E>
        : O extends 'store.query' ? QueryResult<QueriesOf<T>[P & string]>
          : O extends 'procedures.call' ? ProcedureReply<ProceduresOf<T>[P & string]>
            : O extends keyof C ? C[O] extends { readonly output: infer R } ? R : never : never

/** A live list of a bucket, or an aggregate. PROTOCOL.md, "Ad-hoc live queries". */
export interface SchemaFind<S extends StoreSchema, N extends keyof S & string, F, G> {
  readonly bucket: N
  readonly filter?: WireFilter<S, N> | undefined
  readonly sort?: WireSort<S, N> | undefined
  readonly limit?: number | undefined
  /** Records to pass over before `limit` counts. */
  readonly offset?: number | undefined
  /** Members that the rows keep. @default all */
  readonly fields?: readonly F[] | undefined
  readonly aggregate?: G | undefined
}

/** The same, for a result whose type is told. */
interface LooseFind<S> extends Find {
  readonly bucket: keyof S & string
}

type FoundAggregate<S extends StoreSchema, N extends keyof S & string> =
  WireAggregate<S, N> & { readonly groupBy?: WireField<S, N> | ReadonlyArray<WireField<S, N>> | undefined }

/** The result of a live query; equal ones are shared, so lists are read-only. */
type Found<S extends StoreSchema, N extends keyof S & string, F, G> =
  [G] extends [never]
    ? ReadonlyArray<Row<WireRecord<S, N>, F>>
    : G extends { readonly groupBy: infer P }
      ? ReadonlyArray<WireGroup<S, N, P extends ReadonlyArray<infer M> ? M : P>>
      : G extends { readonly function: 'min' | 'max' } ? number | null : number

type Row<R, F> = [F] extends [never] ? R : Pick<R, F & keyof R>

type Shared<R> = R extends ReadonlyArray<infer Row> ? readonly Row[] : R

type QueryData<T extends ClientSchema, S extends StoreSchema, R, Q, N extends keyof S & string, F, G> =
  [R] extends [never]
    ? [N] extends [never] ? Shared<QueryResult<QueriesOf<T>[Q & string]>> : Found<S, N, F, G>
    : R

/** The arguments behind the query: its parameters where it has some. */
type QueryRest<R, P> =
  [R] extends [never]
    ? 0 extends 1 & P ? [params?: object, options?: QueryOptions]
      : undefined extends P ? [params?: P, options?: QueryOptions] : [params: P, options?: QueryOptions]
    : [params?: object, options?: QueryOptions]

/** A bucket in the changes of an `optimistic`. */
export interface OptimisticBucket<S extends StoreSchema, N extends keyof S & string> {
  insert: (record: WireInsert<S, N>) => void
  update: (key: WireKey<S, N>, changes: WireUpdate<S, N>, options?: WriteOptions) => void
  delete: (key: WireKey<S, N>, options?: WriteOptions) => void
}

/** The changes of one `optimistic`, which are one transaction. */
export interface SchemaTransaction<S extends StoreSchema> {
  bucket: <N extends keyof S & string>(name: N) => OptimisticBucket<S, N>
  /** Changes what a live query shows until the answer is in, where the writes above cannot say it. */
  query: <R>(query: LiveQuery<R>, change: (data: R) => R) => void
}

/**
 * The client of a schema `T` and of the operations `A` of the application. It may be passed wherever a
 * `Client` is wanted.
 */
export interface SchemaClient<
  T extends ClientSchema, A extends object = NoOperations,
  S extends StoreSchema = BucketsOf<T>, C = CallsOf<A>
> extends Omit<Client, 'request' | 'query' | 'optimistic'> {
  /** Sends a request; resolves with the data of the reply. @throws `NoexClientError` */
  request<O extends WithoutMembers<C>> (type: O): Promise<Reply<T, S, C, O, never, never, never, never>>
  request<
    O extends BuiltIn | keyof C, const N extends keyof S & string, const F extends WireField<S, N>,
    const E extends ReadonlyArray<Entry<S>>, const P extends NamedBy<T, O>
  > (
    type: O, members: Members<T, S, C, O, N, F, E, P>, options?: RequestOptions
  ): Promise<Reply<T, S, C, O, N, F, E, P>>
  /**
   * Returns the live query of a name and its parameters, or of a description. The result of a name that the
   * schema does not have is told by a type argument: `client.query<Row[]>('large-orders')`.
   */
  query<
    R = never, Q extends keyof QueriesOf<T> & string = never,
    const N extends keyof S & string = never, const F extends WireField<S, N> = never,
    const G extends FoundAggregate<S, N> = never
  > (
    query: [R] extends [never] ? Q | SchemaFind<S, N, F, G> : string | LooseFind<S>,
    ...rest: QueryRest<R, [N] extends [never] ? QueryParams<QueriesOf<T>[Q]> : void>
  ): LiveQuery<QueryData<T, S, R, Q, N, F, G>>
  // Not to be called: of functions with several signatures the compiler does not compare type parameters, so
  // that a typed client is a `Client`.
  query (query: never, params: never, options: never, none: never): never
  /**
   * Writes the changes in one transaction, and shows them at once in all live queries, until the server's
   * answer is in. Resolves with the results of the transaction, rejects with its refusal.
   */
  optimistic (change: (tx: SchemaTransaction<S>) => void, options?: RequestOptions): Promise<any>
}

/** The client of a schema and of operations of the application: a loose one without a schema. */
export type ClientOf<T extends ClientSchema, A extends object> =
  [T] extends [never] ? Client : SchemaClient<T, A>
