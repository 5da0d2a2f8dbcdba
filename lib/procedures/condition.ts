import { compileReference, type Variables } from './reference.js'
import type { Condition } from './procedure.js'
import { compileTemplate } from './template.js'
import { SizeBudget } from './size-budget.js'

/** What `if` steps can ask. */
export const operators = [
  'eq',
  'neq',
  'gt',
  'gte',
  'lt',
  'lte',
  'exists',
  'not_exists'
] as const satisfies ReadonlyArray<Condition['operator']>

/**
 * Makes a test of a condition that has been checked. `maxChars`: of the JSON of the value that is compared
 * with.
 */
export function compileCondition (
  { ref, operator, value }: Condition,
  path: string,
  maxChars: number
): (variables: Variables) => boolean {
  const reference = compileReference(ref)
  if (operator === 'exists') return variables => reference(variables) != null
  if (operator === 'not_exists') return variables => reference(variables) == null
  const other = compileTemplate(value, 'data', path)
  return variables => compare(reference(variables), operator, other(variables, new SizeBudget(maxChars)))
}

/**
 * Equality is strict. What has no order of its own, objects and arrays, comes neither before nor after
 * anything.
 */
function compare (left: unknown, operator: Condition['operator'], right: unknown): boolean {
  if (operator === 'eq') return left === right
  if (operator === 'neq') return left !== right
  if (!hasOrder(left) || !hasOrder(right)) return false
  switch (operator) {
    case 'gt': return left > right
    case 'gte': return left >= right
    case 'lt': return left < right
    default: return left <= right
  }
}

/** Others are compared as JavaScript does it: a text that is a number counts as one beside a number. */
function hasOrder (value: unknown): value is number {
  return typeof value !== 'object' || value === null
}
