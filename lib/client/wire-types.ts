import type {
  BucketName, ConditionOf, FieldDefinition, InsertOf, KeyOf, RecordMeta, RecordOf, StoreSchema, UpdateOf
} from '@hamicek/noex-store/types'

/** A value as JSON brings it: the application may store a `Date`, of which JSON makes a text. */
export type Wire<T> =
  0 extends 1 & T ? T
    : T extends Date ? string
      : T extends object ? { [M in keyof T]: Wire<T[M]> } : T

/** A result as the server sends it: `null` stands for `undefined`. */
export type WireResult<T> = T extends undefined ? null : Wire<T>

/** A record of a bucket, as the server sends it. */
export type WireRecord<S extends StoreSchema, N extends BucketName<S>> = Wire<RecordOf<S, N>>

/** The data of an insert. Generated fields and those with a default may be left out. */
export type WireInsert<S extends StoreSchema, N extends BucketName<S>> = Wire<InsertOf<S, N>>

/**
 * The changes of an update: any fields but the key and generated ones. A value goes by `null`: JSON does not
 * send `undefined`.
 */
export type WireUpdate<S extends StoreSchema, N extends BucketName<S>> =
  UpdateOf<S, N> extends infer U ? { [M in keyof U]: Exclude<Wire<U[M]>, undefined> } : never

/** The primary key of a bucket. */
export type WireKey<S extends StoreSchema, N extends BucketName<S>> = Wire<KeyOf<S, N>>

/** The fields of a bucket that a request may name: those of its schema, and the metadata. */
export type WireField<S extends StoreSchema, N extends BucketName<S>> =
  (keyof S[N]['schema'] & string) | keyof RecordMeta

/** The fields that hold numbers. */
export type WireNumber<S extends StoreSchema, N extends BucketName<S>> =
  NumberIn<S[N]['schema']> | keyof RecordMeta

/** The fields of numbers that a write can change. */
export type WireCounter<S extends StoreSchema, N extends BucketName<S>> =
  Exclude<CounterIn<S[N]['schema']>, S[N]['key']>

type NumberIn<F> = {
  [M in keyof F & string]: F[M] extends { readonly type: 'number' } ? M : never
}[keyof F & string]

type CounterIn<F> = {
  [M in keyof F & string]: F[M] extends { readonly generated: string }
    ? never
    : F[M] extends { readonly type: 'number' } ? M : never
}[keyof F & string]

/** Conditions on the records of a bucket; all must hold. They name whole fields, no paths into them. */
export type WireFilter<S extends StoreSchema, N extends BucketName<S>> =
  Conditions<S[N]['schema']> & {
    readonly $or?: ReadonlyArray<WireFilter<S, N>>
    readonly $and?: ReadonlyArray<WireFilter<S, N>>
  }

interface NumberDefinition { readonly type: 'number' }

type Conditions<F> =
  { readonly [M in keyof F]?: F[M] extends FieldDefinition ? ConditionOf<F[M]> : never } &
  { readonly [M in keyof RecordMeta]?: ConditionOf<NumberDefinition> }

/** Fields to sort by, the first one first. */
export type WireSort<S extends StoreSchema, N extends BucketName<S>> =
  { readonly [M in WireField<S, N>]?: 'asc' | 'desc' }

/** An aggregate; every function but `count` needs a field of numbers. */
export type WireAggregate<S extends StoreSchema, N extends BucketName<S>> =
  { readonly function: 'count', readonly field?: WireField<S, N> } |
  { readonly function: 'sum' | 'avg' | 'min' | 'max', readonly field: WireNumber<S, N> }

/** The figure of the records that share the values of the fields `F`; an absent value is left out. */
export interface WireGroup<S extends StoreSchema, N extends BucketName<S>, F> {
  readonly key: Pick<WireRecord<S, N>, F & keyof WireRecord<S, N>>
  readonly value: number
}
