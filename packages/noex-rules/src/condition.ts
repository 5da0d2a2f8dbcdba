/** A reference that stands for a value: `{ ref: 'event.order.id' }`. */
export interface Reference {
  ref: string
}
/** One comparison; `operators.ts` defines when it holds. */
export interface Condition {
  source: ConditionSource
  operator: ConditionOperator
  /** A literal or a reference; none with `exists` and `not_exists`. */
  value?: unknown | Reference
}

/** The origin of the value that is compared. */
export type ConditionSource =
  | { type: 'event', field: string }
  | { type: 'fact', pattern: string }
  | { type: 'context', key: string }
  | { type: 'lookup', name: string, field?: string }

/** Every operator of a condition. */
export const CONDITION_OPERATORS = [
  'eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'in', 'not_in',
  'contains', 'not_contains', 'matches', 'exists', 'not_exists'
] as const

export type ConditionOperator = typeof CONDITION_OPERATORS[number]

/** Every source of a condition. */
export const CONDITION_SOURCE_TYPES = [
  'event', 'fact', 'context', 'lookup'
] as const satisfies ReadonlyArray<ConditionSource['type']>
