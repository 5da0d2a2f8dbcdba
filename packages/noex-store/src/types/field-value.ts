import type { FieldDefinition, SchemaDefinition } from './schema.js'

/** A point in time as it is stored: as it was given. */
export type DateValue = Date | number | string

interface ValueOfType {
  readonly string: string
  readonly number: number
  readonly boolean: boolean
  readonly date: DateValue
}

/**
 * The values of a field, `null` and `undefined` apart. An `enum` is the union of its values. Elements of an
 * array may be `null`, members of an object are as those of a record.
 */
export type ValueOf<F extends FieldDefinition> =
  F extends { readonly type: 'object' }
    ? F extends { readonly properties: infer P extends SchemaDefinition } ? Members<P> : Anything
    : F extends { readonly type: 'array' }
      ? F extends { readonly items: infer I extends FieldDefinition }
        ? ReadonlyArray<ValueOf<I> | null>
        : readonly unknown[]
      : F extends { readonly type: infer T extends keyof ValueOfType }
        ? F extends { readonly enum: ReadonlyArray<infer V> }
          ? unknown extends V ? ValueOfType[T] : V & ValueOfType[T]
          : ValueOfType[T]
        : unknown

/** The values that a write accepts in a field, `null` and `undefined` apart. */
export type InputOf<F extends FieldDefinition> =
  F extends { readonly type: 'object', readonly properties: infer P extends SchemaDefinition }
    ? MembersInput<P>
    : F extends { readonly type: 'array', readonly items: infer I extends FieldDefinition }
      ? ReadonlyArray<InputOf<I> | null>
      : ValueOf<F>

/** An object without `properties`. */
export interface Anything {
  readonly [member: string]: unknown
}

type RequiredMember<P extends SchemaDefinition> = {
  [N in keyof P]: P[N] extends { readonly required: true } ? N : never
}[keyof P]

/** Members that the validator checks: only the required ones are surely there. */
type Members<P extends SchemaDefinition> =
  { readonly [N in RequiredMember<P>]: ValueOf<P[N]> } &
  { readonly [N in Exclude<keyof P, RequiredMember<P>>]?: ValueOf<P[N]> | null }

type MembersInput<P extends SchemaDefinition> =
  { readonly [N in RequiredMember<P>]: InputOf<P[N]> } &
  { readonly [N in Exclude<keyof P, RequiredMember<P>>]?: InputOf<P[N]> | null | undefined } &
  Anything
