import { ExactSum, type BucketDefinition, type StoreRecord } from '@hamicek/noex-store'
import { invalid } from '../protocol/errors.js'
import { metadata, refuseInherited } from './known-fields.js'

/** A number to add to a field of a record. */
export interface Increment {
  readonly key: unknown
  readonly field: string
  readonly by: number
  readonly expectedVersion?: number
}

/**
 * Checks the field of an increment.
 * @throws `VALIDATION_ERROR` for a field that no update can change
 */
export function checkCounter ({ key, schema }: BucketDefinition, field: string): void {
  refuseInherited(field, 'field', `"${field}" `)
  const isGenerated = Object.hasOwn(schema, field) && schema[field]?.generated !== undefined
  const isFixed = field === key || metadata.has(field) || isGenerated
  if (isFixed) throw invalid('field', `"${field}" cannot be changed: the key and generated fields stay`)
}

/**
 * Returns the new value of the field; absent or `null` counts as 0.
 * @throws `VALIDATION_ERROR` when the field holds no number, or the sum is too large or not exact
 */
export function incremented (record: StoreRecord, field: string, by: number): number {
  const value = record[field] ?? 0
  if (typeof value !== 'number') throw invalid('field', `"${field}" of the record holds no number`)
  return add(value, by, `field "${field}"`)
}

/**
 * Adds two numbers; `path` names the sum in errors.
 * @throws `VALIDATION_ERROR` when the sum is too large or, where both are integers, not exact
 */
export function add (a: number, b: number, path: string): number {
  return checkExact(a + b, a, b, path)
}

/**
 * Returns the result of a computation with `a` and `b`.
 * @throws `VALIDATION_ERROR` when it is too large or, where both are integers, not exact
 */
export function checkExact (result: number, a: number, b: number, path: string): number {
  if (Number.isInteger(a) && Number.isInteger(b) && !Number.isSafeInteger(result)) {
    const max = Number.MAX_SAFE_INTEGER
    throw invalid(path, `overflow: the result would be beyond ±${max}, where integers are not exact`)
  }
  return checkFinite(result, path)
}

/**
 * Returns the result of a computation, 0 for -0.
 * @throws `VALIDATION_ERROR` when it is no number that JSON can hold
 */
export function checkFinite (result: number, path: string): number {
  if (!Number.isFinite(result)) throw invalid(path, 'overflow: the result would be too large for a number')
  return result + 0
}

/** Returns the sum of finite numbers as the store's aggregates have it: exact until it is rounded. */
export function exactSumOf (numbers: readonly number[]): ExactSum {
  const sum = new ExactSum()
  for (const number of numbers) sum.add(number)
  return sum
}
