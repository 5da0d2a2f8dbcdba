import type { BucketName, StoreSchema } from './record-types.js'
import type { FilterOf, PathOf, ValueAt } from './typed-filter.js'

/** A text such as `{{ params.atMost }}`, for which the query's parameter of that name is put. */
export type Placeholder = `{{${string}params.${string}}}`

/** The parameters of a query as data whose filter is not known: values for its placeholders, by name. */
export type ConfigParams = Readonly<Record<string, unknown>> | void

/** The parameters of a query as data: those that its filter `C` names, with the types of their fields. */
export type ParamsIn<S extends StoreSchema, N extends BucketName<S>, C> =
  [C] extends [never] ? void
    : string extends keyof C ? ConfigParams
      : ParamAt<S, N, C> extends infer P extends Param
        ? [P] extends [never]
            ? void
            : { readonly [A in P as A['name']]: Extract<P, { readonly name: A['name'] }>['value'] }
        : never

/** A parameter by its name, and the values that it may have. */
interface Param {
  readonly name: string
  readonly value: unknown
}

type ParamAt<S extends StoreSchema, N extends BucketName<S>, C> = {
  [P in keyof C]: P extends '$or' | '$and'
    ? C[P] extends ReadonlyArray<infer B> ? B extends unknown ? ParamAt<S, N, B> : never : never
    : P extends string ? ParamOf<C[P], ValueAt<S, N, P> | null | undefined> : never
}[keyof C]

/** The parameters in the condition of one field. */
type ParamOf<C, V> =
  C extends string ? Named<C, V>
    : C extends ReadonlyArray<infer E> ? E extends string ? Named<E, V> : never
      : C extends object
        ? { [O in keyof C]: ParamOf<C[O], O extends '$exists' ? boolean : V> }[keyof C]
        : never

type Named<T extends string, V> =
  T extends `{{${string}params.${infer M}}}` ? { readonly name: Trimmed<M>, readonly value: V } : never

type Trimmed<T extends string> = T extends `${infer M} ` ? Trimmed<M> : T

/** The filter `C` where it is one of the bucket, by all its paths; the type that it should have otherwise. */
export type Fitting<S extends StoreSchema, N extends BucketName<S>, C> =
  [C] extends [FilterOf<S, N, Placeholder>]
    ? [UnknownPath<S, N, C>] extends [never] ? C : FilterOf<S, N, Placeholder>
    : FilterOf<S, N, Placeholder>

/** The members of a filter that are no paths of the bucket. */
type UnknownPath<S extends StoreSchema, N extends BucketName<S>, C> = C extends unknown
  ? Exclude<keyof C, PathOf<S, N> | '$or' | '$and'> |
    (C extends { readonly $or: ReadonlyArray<infer B> } ? UnknownPath<S, N, B> : never) |
    (C extends { readonly $and: ReadonlyArray<infer B> } ? UnknownPath<S, N, B> : never)
  : never
