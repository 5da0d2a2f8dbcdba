import { aggregateValues, isFiniteNumber, mean } from './aggregate-values.js'

/** The functions of `aggregate` steps. */
export const aggregates = ['sum', 'avg', 'min', 'max', 'count'] as const
export type Aggregate = typeof aggregates[number]

/**
 * Aggregates the numbers in the own member `field` of the items. An average is over all items, those without
 * a number included. The result of no number is 0.
 * @throws `VALIDATION_ERROR` when the sum is beyond what a number holds
 */
export function aggregate (items: readonly unknown[], op: Aggregate, field: string): number {
  if (op === 'count') return items.length
  const values = items.map(item => memberOf(item, field))
  return op === 'avg' ? mean(values.filter(isFiniteNumber), items.length) : aggregateValues(op, values) ?? 0
}

/** Returns an own member of a value of any type; `undefined` where there is none. */
export function memberOf (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}
