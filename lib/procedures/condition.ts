import { compileReference, type Variables } from './reference.js'
import type { Condition } from './procedure.js'
import { compileTemplate } from './template.js'
import { SizeBudget } from './size-budget.js'

/** The operators of `if` steps. */
export const operators = [
  'eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'exists', 'not_exists'
] as const satisfies ReadonlyArray<Condition['operator']>

/** Compiles a condition that has been checked. `maxChars` bounds the JSON of the value compared with. */
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

/** Compares two values: equality is strict; objects and arrays come neither before nor after anything. */
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

/** Whether a value is ordered. Such values are compared as in JavaScript: `'2'` beside a number is 2. */
function hasOrder (value: unknown): value is number {
  return typeof value !== 'object' || value === null
}
