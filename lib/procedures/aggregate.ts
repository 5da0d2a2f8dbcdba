import { aggregateValues, isFiniteNumber, mean } from './aggregate-values.js'

/** What can be made of an array. */
export const aggregates = ['sum', 'avg', 'min', 'max', 'count'] as const
export type Aggregate = typeof aggregates[number]

/**
 * Makes one number of the items. Of each the own member `field` counts when it is a number; an average is
 * over all items, those without a number included. Nothing to go by makes 0.
 * @throws `VALIDATION_ERROR` when the sum is beyond what a number holds
 */
export function aggregate (items: readonly unknown[], op: Aggregate, field: string): number {
  if (op === 'count') return items.length
  const values = items.map(item => memberOf(item, field))
  return op === 'avg' ? mean(values.filter(isFiniteNumber), items.length) : aggregateValues(op, values) ?? 0
}

/** An own member of an object; `undefined` when there is none. */
export function memberOf (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}
