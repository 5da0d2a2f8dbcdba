/** Conditions on one field; all must hold. An operator whose operand is `undefined` is no condition. */
export interface FilterOperators {
  readonly $eq?: unknown
  readonly $neq?: unknown
  readonly $gt?: number | string
  readonly $gte?: number | string
  readonly $lt?: number | string
  readonly $lte?: number | string
  readonly $in?: readonly unknown[]
  readonly $nin?: readonly unknown[]
  /** Text that the value contains, in any case. */
  readonly $contains?: string
  readonly $startsWith?: string
  readonly $endsWith?: string
  /** `true`: the value is neither null nor undefined; `false`: it is. */
  readonly $exists?: boolean
  /** Both ends included. */
  readonly $between?: readonly [number | string, number | string]
}

/** A plain value (the same as `$eq`) or operators. */
export type FilterValue = unknown | FilterOperators

/** Conditions on records; all must hold. A field may be a dotted path: `{ 'address.city': 'Brno' }`. */
export interface WhereFilter {
  readonly $or?: readonly WhereFilter[]
  readonly $and?: readonly WhereFilter[]
  readonly [field: string]: FilterValue
}
