import type {
  FindOptions, AggregateFunction, GroupByResult, PaginatedResult, PaginateOptions
} from './query.js'
import type { BucketName, FieldName, KeyOf, RecordOf, StoreSchema } from './record-types.js'
import type { RecordMeta } from './record.js'
import type { Fitting, Placeholder } from './query-params.js'
import type { FilterOf, NumericPath, PathOf, ValueAt } from './typed-filter.js'

/** An aggregate of a bucket; every function but `count` needs a field of numbers. */
export type TypedAggregate<S extends StoreSchema, N extends BucketName<S>> =
  { readonly function: 'count', readonly field?: PathOf<S, N> } |
  { readonly function: Exclude<AggregateFunction, 'count'>, readonly field: NumericPath<S, N> }

/** Aggregate of the records that share the values at some paths; a value that is not there is `undefined`. */
export interface TypedGroup<S extends StoreSchema, N extends BucketName<S>, P extends string>
  extends GroupByResult {
  readonly key: { readonly [Q in P]: GroupValue<S, N, Q> }
}

type GroupValue<S extends StoreSchema, N extends BucketName<S>, P extends string> =
  P extends keyof RecordOf<S, N> ? RecordOf<S, N>[P] : ValueAt<S, N, P> | null | undefined

export interface TypedPageOptions<S extends StoreSchema, N extends BucketName<S>>
  extends Pick<PaginateOptions, 'limit'> {
  readonly after?: KeyOf<S, N> | undefined
  readonly filter?: FilterOf<S, N> | undefined
}

export interface TypedPage<S extends StoreSchema, N extends BucketName<S>> extends PaginatedResult {
  readonly records: Array<RecordOf<S, N>>
  readonly nextCursor: KeyOf<S, N> | undefined
}

/** Reads of a bucket of a schema. */
export interface TypedReads<S extends StoreSchema, N extends BucketName<S>> {
  get (key: KeyOf<S, N>): Promise<RecordOf<S, N> | undefined>
  all (): Promise<Array<RecordOf<S, N>>>
  where (filter: FilterOf<S, N>): Promise<Array<RecordOf<S, N>>>
  findOne (filter: FilterOf<S, N>): Promise<RecordOf<S, N> | undefined>
  count (filter?: FilterOf<S, N>): Promise<number>
}

/** `FindOptions` of a bucket of a schema. */
export interface TypedFindOptions<S extends StoreSchema, N extends BucketName<S>>
  extends Pick<FindOptions, 'offset' | 'limit'> {
  readonly filter?: FilterOf<S, N> | undefined
  readonly sort?: SortOf<PathOf<S, N>> | undefined
}

/** Reads of a bucket of a schema outside of a transaction. */
export interface TypedQueryBucket<S extends StoreSchema, N extends BucketName<S>> extends TypedReads<S, N> {
  find (options: TypedFindOptions<S, N>): Promise<Array<RecordOf<S, N>>>
  first (n: number, filter?: FilterOf<S, N>): Promise<Array<RecordOf<S, N>>>
  last (n: number, filter?: FilterOf<S, N>): Promise<Array<RecordOf<S, N>>>
  paginate (options: TypedPageOptions<S, N>): Promise<TypedPage<S, N>>
  sum (field: NumericPath<S, N>, filter?: FilterOf<S, N>): Promise<number>
  avg (field: NumericPath<S, N>, filter?: FilterOf<S, N>): Promise<number>
  min (field: NumericPath<S, N>, filter?: FilterOf<S, N>): Promise<number | undefined>
  max (field: NumericPath<S, N>, filter?: FilterOf<S, N>): Promise<number | undefined>
  groupBy<P extends PathOf<S, N>> (
    field: P | P[], aggregate: TypedAggregate<S, N>, filter?: FilterOf<S, N>
  ): Promise<Array<TypedGroup<S, N, P>>>
}

/** Gives a query the buckets of a schema, and notes what it reads. */
export interface TypedQueryContext<S extends StoreSchema> {
  bucket<N extends keyof S & string> (name: N): TypedQueryBucket<S, N>
}

/** Where the name of a query has its types. It is no member of any value. */
declare const types: unique symbol

/** The name of a defined query, with the types of its parameters and its result. */
export type Query<TParams = any, TResult = unknown> = string & {
  readonly [types]: { readonly params: (params: TParams) => void, readonly result: TResult }
}

/** The name of a query that is given as a text alone. */
export type QueryName = string & { readonly length: number, readonly [types]?: never }

/** The parameters of a defined query. */
export type ParamsOf<Q extends Query> = Q extends Query<infer P> ? P : never

/** The result of a defined query. */
export type ResultOf<Q extends Query> = Q extends Query<any, infer R> ? R : never

/** Members that a query as data may keep. */
export type KeptFields<S extends StoreSchema, N extends BucketName<S>> =
  ReadonlyArray<FieldName<S, N> | keyof RecordMeta>

/** The aggregate of a query as data. */
export type ConfigAggregate<S extends StoreSchema, N extends BucketName<S>> = TypedAggregate<S, N> & {
  readonly groupBy?: PathOf<S, N> | ReadonlyArray<PathOf<S, N>>
}

/** An order by paths; patterns of paths are index signatures, which cannot be optional. */
type SortOf<P extends string> =
  { readonly [Q in P as IsPattern<Q> extends true ? never : Q]?: 'asc' | 'desc' } &
  { readonly [Q in P as IsPattern<Q> extends true ? Q : never]: 'asc' | 'desc' }

type IsPattern<P extends string> = Record<never, never> extends Record<P, unknown> ? true : false

/** A query as data of a bucket of a schema. */
export interface TypedQueryConfig<
  S extends StoreSchema, N extends BucketName<S>, F, A, C = FilterOf<S, N, Placeholder>
> {
  readonly bucket: N
  readonly filter?: Fitting<S, N, C>
  readonly sort?: SortOf<PathOf<S, N>>
  readonly limit?: number
  /** Records to pass over before `limit` counts. */
  readonly offset?: number
  /** Members that the result's records keep. */
  readonly fields?: F
  readonly aggregate?: A
}

/** The result of a query as data: records, their `fields`, or an aggregate. */
export type ConfigResult<S extends StoreSchema, N extends BucketName<S>, F, A> =
  [A] extends [never]
    ? [F] extends [ReadonlyArray<infer M>]
        ? Array<[F] extends [never] ? RecordOf<S, N> : Pick<RecordOf<S, N>, M & keyof RecordOf<S, N>>>
        : never
    : A extends { readonly groupBy: infer P }
      ? Array<TypedGroup<S, N, string & (P extends ReadonlyArray<infer Q> ? Q : P)>>
      : A extends { readonly function: 'min' | 'max' } ? number | undefined : number
