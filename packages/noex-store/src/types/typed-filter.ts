import type { DateValue, ValueOf } from './field-value.js'
import type { BucketName, FieldsOf, StoreSchema } from './record-types.js'
import type { RecordMeta } from './record.js'
import type { FieldDefinition, SchemaDefinition } from './schema.js'

/** Conditions on values of any type; `V` are the values to compare with. */
export interface EqualityOperators<V> {
  readonly $eq?: V | null
  readonly $neq?: V | null
  readonly $in?: ReadonlyArray<V | null>
  readonly $nin?: ReadonlyArray<V | null>
  /** `true`: the value is neither null nor undefined; `false`: it is. */
  readonly $exists?: boolean
}

/** Conditions on values that have an order; `O` are the bounds to compare with. */
export interface OrderOperators<V, O> extends EqualityOperators<V> {
  readonly $gt?: O
  readonly $gte?: O
  readonly $lt?: O
  readonly $lte?: O
  /** Both ends included. */
  readonly $between?: readonly [O, O]
}

/** Conditions on texts. */
export interface TextOperators<V, O> extends OrderOperators<V, O> {
  /** Text that the value contains, in any case. */
  readonly $contains?: O
  readonly $startsWith?: O
  readonly $endsWith?: O
}

/** The only conditions on objects and arrays, which equal nothing. */
export interface PresenceOperators {
  readonly $eq?: null
  readonly $neq?: null
  readonly $exists?: boolean
}

/** A plain value, or operators of the field's type. `X` may stand in the place of any operand. */
export type ConditionOf<F extends FieldDefinition, X = never> =
  F['type'] extends 'number' ? ValueOf<F> | X | null | OrderOperators<ValueOf<F> | X, number | X>
    : F['type'] extends 'string' ? ValueOf<F> | X | null | TextOperators<ValueOf<F> | X, string | X>
      : F['type'] extends 'date' ? DateValue | X | null | OrderOperators<DateValue | X, DateValue | X>
        : F['type'] extends 'boolean' ? ValueOf<F> | X | null | EqualityOperators<ValueOf<F> | X>
          : F['type'] extends 'object' | 'array' ? null | PresenceOperators
            : unknown

interface NumberField { readonly type: 'number' }

/** A path and the definition of what is there. */
interface At<P extends string, F> {
  readonly path: P
  readonly field: F
}

/** The fields of a bucket and the dotted paths into objects and arrays. */
type FieldAt<F extends SchemaDefinition, Prefix extends string = ''> = {
  [N in keyof F & string]: At<`${Prefix}${N}`, F[N]> | Below<F[N], `${Prefix}${N}`>
}[keyof F & string]

type Below<F extends FieldDefinition, Path extends string> =
  F extends { readonly type: 'object' }
    ? F extends { readonly properties: infer P extends SchemaDefinition }
      ? FieldAt<P, `${Path}.`>
      : At<`${Path}.${string}`, unknown>
    : F extends { readonly type: 'array' }
      ? At<`${Path}.length`, NumberField> | (
        F extends { readonly items: infer I extends FieldDefinition }
          ? At<`${Path}.${number}`, I> | Below<I, `${Path}.${number}`>
          : At<`${Path}.${number}`, unknown>)
      : never

/** Every path of a bucket, those of metadata too. */
type PathAt<F extends SchemaDefinition> = FieldAt<F> | At<keyof RecordMeta, NumberField>

/** Definitions of all paths of a bucket, by path. */
type FieldsByPath<F extends SchemaDefinition> = { [A in PathAt<F> as A['path']]: A['field'] }

/** The name of a field, or a dotted path into its objects and arrays. */
export type PathOf<S extends StoreSchema, N extends BucketName<S>> =
  keyof FieldsByPath<FieldsOf<S, N>> extends infer P extends string ? P : never

/** A path that holds numbers. */
export type NumericPath<S extends StoreSchema, N extends BucketName<S>> =
  keyof {
    [A in PathAt<FieldsOf<S, N>> as A['field'] extends NumberField ? A['path'] : never]: A
  } extends infer P extends string ? P : never

/** The values at a path. */
export type ValueAt<S extends StoreSchema, N extends BucketName<S>, P extends string> =
  FieldsByPath<FieldsOf<S, N>> extends infer D
    ? P extends keyof D ? D[P] extends infer F extends FieldDefinition ? ValueOf<F> : unknown : unknown
    : never

/**
 * Conditions on the records of a bucket; all must hold. Operands have the type of their field. `X` may stand
 * in the place of any operand.
 */
export type FilterOf<S extends StoreSchema, N extends BucketName<S>, X = never> =
  Conditions<FieldsOf<S, N>, X> extends infer C
    ? C & {
      readonly $or?: ReadonlyArray<FilterOf<S, N, X>>
      readonly $and?: ReadonlyArray<FilterOf<S, N, X>>
    }
    : never

type Conditions<F extends SchemaDefinition, X> = {
  readonly [A in PathAt<F> as A['path']]?: A['field'] extends FieldDefinition
    ? ConditionOf<A['field'], X>
    : unknown
}
