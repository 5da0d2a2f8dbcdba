import { checkFinite } from '../store/arithmetic.js'

/** What can be made of an array. */
export const aggregates = ['sum', 'avg', 'min', 'max', 'count'] as const
export type Aggregate = typeof aggregates[number]

/**
 * Makes one number of the items. Of each the own member `field` counts when it is a number; an average is over all items,
 * those without a number included. Nothing to go by makes 0.
 * @throws `VALIDATION_ERROR` when the sum is larger than a number can be
 */
export function aggregate (items: readonly unknown[], op: Aggregate, field: string): number {
  if (op === 'count') return items.length
  let sum = 0
  let least: number | undefined
  let greatest: number | undefined
  for (const item of items) {
    const value = memberOf(item, field)
    if (typeof value !== 'number') continue
    sum += value
    if (least === undefined || value < least) least = value
    if (greatest === undefined || value > greatest) greatest = value
  }
  switch (op) {
    case 'sum': return checkFinite(sum, 'aggregate')
    case 'avg': return items.length === 0 ? 0 : checkFinite(sum, 'aggregate') / items.length
    case 'min': return least ?? 0
    case 'max': return greatest ?? 0
  }
}

/** An own member of an object; `undefined` when there is none. */
export function memberOf (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}
