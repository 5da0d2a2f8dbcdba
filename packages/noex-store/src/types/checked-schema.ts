import type { BucketDefinition, FieldDefinition } from './schema.js'

/**
 * The type that a schema must have for its keys, indexes and references to fit together. An error of the
 * compiler is so at the very member that is wrong, and says what would be right.
 *
 * Here and in the files beside, `infer` takes a part out of a schema before it is looked at: the compiler
 * then has a tenth of the work that it has with `S[N]['schema'][F]`.
 */
export type CheckedSchema<S> = {
  readonly [N in keyof S]: S[N] extends { readonly schema: infer F }
    ? BucketDefinition & Known<S[N], BucketDefinition> & {
      readonly key: KeyField<F>
      readonly schema: CheckedFields<F, S>
      readonly indexes?: ReadonlyArray<keyof F>
    }
    : BucketDefinition
}

/** The name of a field that may be a key. */
type KeyField<F> = {
  [N in keyof F]: F[N] extends { readonly type: 'object' | 'array' } ? never : N
}[keyof F]

type CheckedFields<F, S> = {
  readonly [N in keyof F]: keyof F[N] extends keyof FieldDefinition
    ? F[N] extends { readonly ref: infer R }
      ? R extends keyof S ? FieldOfType<KeyType<S[R]>> : FieldDefinition & { readonly ref: keyof S }
      : FieldDefinition
    : FieldDefinition & Known<F[N], FieldDefinition>
}

type FieldOfType<T> = FieldDefinition & { readonly type: T }

type KeyType<B> = B extends { readonly schema: infer F, readonly key: infer K extends PropertyKey }
  ? F extends { readonly [N in K]: { readonly type: infer T } } ? T : never
  : never

/** Refuses members that a definition does not have. */
type Known<T, D> = { readonly [N in Exclude<keyof T, keyof D>]: never }
