import type { BucketDefinition, FieldDefinition, SchemaDefinition } from './schema.js'

/**
 * The type that a schema must have for its keys, indexes and references to fit together. An error of the
 * compiler is so at the very member that is wrong, and says what would be right.
 */
export type CheckedSchema<S> = {
  readonly [N in keyof S]: S[N] extends BucketDefinition ? CheckedBucket<S, S[N]> : BucketDefinition
}

type CheckedBucket<S, B extends BucketDefinition> = BucketDefinition & NoOther<B, BucketDefinition> & {
  readonly key: KeyField<B['schema']>
  readonly schema: { readonly [F in keyof B['schema']]: CheckedField<S, B['schema'][F]> }
  readonly indexes?: ReadonlyArray<keyof B['schema']>
}

/** The name of a field that may be a key. */
type KeyField<F extends SchemaDefinition> = {
  [N in keyof F]: F[N]['type'] extends 'string' | 'number' | 'boolean' | 'date' ? N : never
}[keyof F]

type CheckedField<S, F extends FieldDefinition> = FieldDefinition & NoOther<F, FieldDefinition> &
  (F extends { readonly ref: infer R }
    ? R extends keyof S ? { readonly type: KeyType<S[R]> } : { readonly ref: keyof S }
    : unknown)

type KeyType<B> = B extends BucketDefinition ? B['schema'][B['key']]['type'] : never

/** Refuses members that a definition does not have. */
type NoOther<T, Known> = { readonly [M in Exclude<keyof T, keyof Known>]: never }
