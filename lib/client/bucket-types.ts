import type { BucketName, StoreSchema } from '@hamicek/noex-store/types'
import type {
  WireAggregate, WireCounter, WireField, WireFilter, WireGroup, WireInsert, WireKey, WireNumber, WireRecord,
  WireUpdate
} from './wire-types.js'

/** An operation: the members of its request, and the data of its reply. */
export interface Call<Input, Output> {
  readonly input: Input
  readonly output: Output
}

interface Filtered<S extends StoreSchema, N extends BucketName<S>> {
  readonly filter?: WireFilter<S, N> | null | undefined
}

interface OfKey<S extends StoreSchema, N extends BucketName<S>> {
  readonly key: WireKey<S, N>
}

interface Versioned {
  /** `_version` that the record must have; another one is refused with `CONFLICT`. */
  readonly expectedVersion?: number | undefined
}

interface Figure<S extends StoreSchema, N extends BucketName<S>> extends Filtered<S, N> {
  readonly field: WireNumber<S, N>
}

interface Some<S extends StoreSchema, N extends BucketName<S>> extends Filtered<S, N> {
  /** Most records. */
  readonly n: number
}

/** A page of records. */
interface WirePage<S extends StoreSchema, N extends BucketName<S>> {
  readonly records: Array<WireRecord<S, N>>
  readonly hasMore: boolean
  /** The `after` of the next page; absent where the page is empty. */
  readonly nextCursor?: WireKey<S, N>
}

/** The operations on one bucket, which the member `bucket` names. PROTOCOL.md, "Data operations". */
export interface BucketOperations<S extends StoreSchema, N extends BucketName<S>, F = WireField<S, N>> {
  'store.get': Call<OfKey<S, N>, WireRecord<S, N> | null>
  'store.all': Call<unknown, Array<WireRecord<S, N>>>
  'store.where': Call<
    { readonly filter: WireFilter<S, N>, readonly limit?: number | null | undefined },
    Array<WireRecord<S, N>>
  >
  'store.findOne': Call<{ readonly filter: WireFilter<S, N> }, WireRecord<S, N> | null>
  'store.count': Call<Filtered<S, N>, number>
  'store.first': Call<Some<S, N>, Array<WireRecord<S, N>>>
  'store.last': Call<Some<S, N>, Array<WireRecord<S, N>>>
  'store.paginate': Call<
    Filtered<S, N> & { readonly limit: number, readonly after?: WireKey<S, N> | null | undefined },
    WirePage<S, N>
  >
  'store.sum': Call<Figure<S, N>, number>
  'store.avg': Call<Figure<S, N>, number>
  'store.min': Call<Figure<S, N>, number | null>
  'store.max': Call<Figure<S, N>, number | null>
  'store.groupBy': Call<
    Filtered<S, N> & { readonly field: F | readonly F[], readonly aggregate: WireAggregate<S, N> },
    Array<WireGroup<S, N, F>>
  >
  'store.insert': Call<{ readonly data: WireInsert<S, N> }, WireRecord<S, N>>
  'store.insertMany': Call<
    { readonly data: ReadonlyArray<WireInsert<S, N>> }, Array<WireRecord<S, N>>
  >
  'store.upsert': Call<Versioned & { readonly data: WireInsert<S, N> }, WireRecord<S, N>>
  'store.update': Call<
    Versioned & OfKey<S, N> & { readonly data: WireUpdate<S, N> }, WireRecord<S, N>
  >
  'store.increment': Call<
    Versioned & OfKey<S, N> & { readonly field: WireCounter<S, N>, readonly by: number },
    WireRecord<S, N>
  >
  'store.updateMany': Call<
    { readonly filter: WireFilter<S, N>, readonly data: WireUpdate<S, N> }, number
  >
  'store.delete': Call<Versioned & OfKey<S, N>, { readonly deleted: true }>
  'store.deleteMany': Call<{ readonly filter: WireFilter<S, N> }, number>
  'store.clear': Call<unknown, { readonly cleared: true }>
}

/** The name of an operation on one bucket. */
export type BucketOperation = keyof BucketOperations<StoreSchema, string>

/** Those that change nothing. */
export type BucketRead =
  'store.get' | 'store.all' | 'store.where' | 'store.findOne' | 'store.count' | 'store.first' | 'store.last' |
  'store.paginate' | 'store.sum' | 'store.avg' | 'store.min' | 'store.max' | 'store.groupBy'

/** The `op` of an entry of a transaction. */
type EntryName =
  'get' | 'where' | 'findOne' | 'count' | 'groupBy' | 'insert' | 'upsert' | 'insertMany' | 'update' |
  'increment' | 'updateMany' | 'delete' | 'deleteMany'

/** An entry of a transaction. PROTOCOL.md, "Transactions". */
export type Entry<S extends StoreSchema> = {
  [N in keyof S & string]: {
    [O in EntryName]: { readonly op: O, readonly bucket: N } & BucketOperations<S, N>[`store.${O}`]['input']
  }[EntryName]
}[keyof S & string]

/** The results of the entries `E` of a transaction. */
export interface TransactionReply<S extends StoreSchema, E> {
  readonly results: {
    -readonly [I in keyof E]: { readonly index: number, readonly data: EntryReply<S, E[I]> }
  }
}

type EntryReply<S extends StoreSchema, E> =
  E extends { readonly op: infer O extends EntryName, readonly bucket: infer N extends keyof S & string }
    ? BucketOperations<S, N, FieldsIn<E>>[`store.${O}`]['output']
    : never

type FieldsIn<E> =
  E extends { readonly field: infer F } ? F extends ReadonlyArray<infer G> ? G : F : never
