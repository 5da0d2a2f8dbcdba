import type { ConditionOperator } from '../condition.js'
import { matchesRegex } from './regex.js'

/** Returns whether a condition holds for the actual value and the one it is compared with. */
type Operator = (actual: unknown, compare: unknown) => boolean

/**
 * The operators of conditions. Values are compared by identity. Relations hold between numbers only. `in` and
 * `not_in` are both false without an array. `not_contains` is true whenever `contains` is false. `matches` is
 * false for a refused expression, and throws `ResolutionError` for a text that is too long for it.
 */
export const operators: Readonly<Record<ConditionOperator, Operator>> = {
  eq: (actual, compare) => actual === compare,
  neq: (actual, compare) => actual !== compare,
  gt: (actual, compare) => isNumber(actual) && isNumber(compare) && actual > compare,
  gte: (actual, compare) => isNumber(actual) && isNumber(compare) && actual >= compare,
  lt: (actual, compare) => isNumber(actual) && isNumber(compare) && actual < compare,
  lte: (actual, compare) => isNumber(actual) && isNumber(compare) && actual <= compare,
  in: (actual, compare) => Array.isArray(compare) && compare.includes(actual),
  not_in: (actual, compare) => Array.isArray(compare) && !compare.includes(actual),
  contains,
  not_contains: (actual, compare) => !contains(actual, compare),
  matches: (actual, compare) => typeof actual === 'string' && typeof compare === 'string' &&
    matchesRegex(compare, actual),
  exists,
  not_exists: actual => !exists(actual)
}

function exists (actual: unknown): boolean {
  return actual !== undefined && actual !== null
}

function contains (actual: unknown, compare: unknown): boolean {
  if (typeof actual === 'string') return typeof compare === 'string' && actual.includes(compare)
  return Array.isArray(actual) && actual.includes(compare)
}

function isNumber (value: unknown): value is number {
  return typeof value === 'number'
}
