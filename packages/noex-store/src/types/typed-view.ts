import type { TypedAccessOptions } from './access.js'
import type { BucketName, StoreSchema } from './record-types.js'
import type { FilterOf } from './typed-filter.js'
import type { ConfigAggregate, ConfigResult, KeptFields, TypedQueryConfig } from './typed-query.js'
import type { View, ViewPage, Views } from './view.js'

/** `ViewConfig` of a bucket of a schema. */
export interface TypedViewConfig<S extends StoreSchema, N extends BucketName<S>, F, A>
  extends Omit<TypedQueryConfig<S, N, F, A>, 'filter'> {
  readonly filter?: FilterOf<S, N>
  readonly page?: ViewPage
}

/** A view whose result has a type. */
export interface TypedView<R> extends View {
  result (): R
  rows (start: number, end: number): R extends Array<infer Row extends object> ? Row[] : object[]
}

/** The views of a store of a schema. */
export interface TypedViews<S extends StoreSchema> extends Views {
  /** Opens a view; its result has the type of the records, of their `fields`, or of the aggregate. */
  open<
    N extends keyof S & string,
    const F extends KeptFields<S, N> = never,
    const A extends ConfigAggregate<S, N> = never
  > (
    config: TypedViewConfig<S, N, F, A>, options?: TypedAccessOptions<S, N>
  ): Promise<TypedView<ConfigResult<S, N, F, A>>>
}
