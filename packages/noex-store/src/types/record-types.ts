import type { InputOf, ValueOf } from './field-value.js'
import type { RecordMeta, StoreRecord } from './record.js'
import type { BucketDefinition, FieldDefinition, SchemaDefinition } from './schema.js'

/** Definitions of the buckets of a store, by name. */
export type StoreSchema = Readonly<Record<string, BucketDefinition>>

/** The name of a bucket of a schema. */
export type BucketName<S extends StoreSchema> = keyof S & string

/** The fields of a bucket. */
export type FieldsOf<S extends StoreSchema, N extends BucketName<S>> = S[N]['schema']

/** The name of a field of a bucket, without metadata. */
export type FieldName<S extends StoreSchema, N extends BucketName<S>> =
  keyof S[N]['schema'] extends infer F extends string ? F : never

/** The primary key of a bucket. */
export type KeyOf<S extends StoreSchema, N extends BucketName<S>> = KeyIn<S[N]>

type KeyIn<B extends BucketDefinition> =
  B extends { readonly schema: infer F extends SchemaDefinition, readonly key: infer K extends string }
    ? F[K] extends infer D extends FieldDefinition ? ValueOf<D> : never
    : never

/**
 * A record of a bucket, as reads return it. The key, required and generated fields, and those with a default
 * are always there; only the key and required ones are never `null`. Fields that the schema does not name
 * are not in the type, though the store keeps them.
 */
export type RecordOf<S extends StoreSchema, N extends BucketName<S>> = StoredIn<S[N]>

/**
 * The data of an insert. Generated fields and those with a default may be left out. The store keeps further
 * fields as they are, so further names are allowed, of any type; metadata is not.
 */
export type InsertOf<S extends StoreSchema, N extends BucketName<S>> = InsertedIn<S[N]>

/** The changes of an update: any fields but the key and generated ones. `undefined` takes a value away. */
export type UpdateOf<S extends StoreSchema, N extends BucketName<S>> = ChangedIn<S[N]>

type StoredIn<B extends BucketDefinition> =
  B extends { readonly schema: infer F extends SchemaDefinition, readonly key: infer K }
    ? string extends keyof F ? StoreRecord : StoreRecord<Stored<F, K>>
    : never

type InsertedIn<B extends BucketDefinition> =
  B extends { readonly schema: infer F extends SchemaDefinition, readonly key: infer K }
    ? string extends keyof F ? AnyFields : Inserted<F, K> & Further<B>
    : never

type ChangedIn<B extends BucketDefinition> =
  B extends { readonly schema: infer F extends SchemaDefinition, readonly key: infer K }
    ? string extends keyof F ? AnyFields : Changed<F, K> & Further<B>
    : never

/** The fields of a bucket whose definition is no literal. */
type AnyFields = Record<string, unknown>

/** Fields that hold a value in every record, never `null`. */
type Sure<F extends SchemaDefinition, K> = {
  [N in keyof F]: N extends K ? N : F[N] extends { readonly required: true } ? N : never
}[keyof F]

/** Fields that the store fills in. */
type Filled<F extends SchemaDefinition> = {
  [N in keyof F]: F[N] extends { readonly generated: string }
    ? N
    : HasDefault<F[N]> extends true ? N : never
}[keyof F]

/** Whether a definition names a default; `undefined` is none. */
type HasDefault<F extends FieldDefinition> =
  F extends { readonly default: infer D } ? [D] extends [undefined] ? false : true : false

type Generated<F extends SchemaDefinition> = {
  [N in keyof F]: F[N] extends { readonly generated: string } ? N : never
}[keyof F]

type Stored<F extends SchemaDefinition, K> = (
  { readonly [N in Sure<F, K>]: ValueOf<F[N]> } &
  { readonly [N in Exclude<Filled<F>, Sure<F, K>>]: ValueOf<F[N]> | null } &
  { readonly [N in Exclude<keyof F, Filled<F> | Sure<F, K>>]?: ValueOf<F[N]> | null }
) extends infer T ? { [N in keyof T]: T[N] } : never

type Inserted<F extends SchemaDefinition, K> = (
  { readonly [N in Exclude<Sure<F, K>, Filled<F>>]: InputOf<F[N]> } &
  { readonly [N in Extract<Filled<F>, Sure<F, K>>]?: InputOf<F[N]> | undefined } &
  { readonly [N in Exclude<keyof F, Sure<F, K>>]?: InputOf<F[N]> | null | undefined }
) extends infer T ? { [N in keyof T]: T[N] } : never

type Changed<F extends SchemaDefinition, K> = (
  { readonly [N in Exclude<Sure<F, K>, K | Generated<F>>]?: InputOf<F[N]> } &
  { readonly [N in Exclude<Filled<F>, Sure<F, K> | Generated<F>>]?: InputOf<F[N]> | null } &
  { readonly [N in Exclude<keyof F, Filled<F> | Sure<F, K>>]?: InputOf<F[N]> | null | undefined } &
  { readonly [N in Generated<F> | (K & keyof F)]?: never }
) extends infer T ? { [N in keyof T]: T[N] } : never

/** Members of a write that are no fields of the schema. */
type Further<B extends BucketDefinition> =
  { readonly [M in Exclude<keyof RecordMeta, '_expiresAt'>]?: never } &
  (B extends { readonly ttl: number | string }
    ? { readonly _expiresAt?: number | null | undefined }
    : { readonly _expiresAt?: never }) &
  { readonly [field: string]: unknown }
