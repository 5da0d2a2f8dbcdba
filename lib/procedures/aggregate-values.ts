import type { AggregateFunction } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'

/** Numbers whose plain sum overflows are added in this scale, where 2^64 of them fit. */
const SCALE = 2 ** -64

/**
 * Aggregates the finite numbers among the values; `count` counts all values. The minimum or maximum of no
 * number is `undefined`.
 * @throws `VALIDATION_ERROR` when the sum is beyond what a number holds
 */
export function aggregateValues (fn: AggregateFunction, values: readonly unknown[]): number | undefined {
  if (fn === 'count') return values.length
  const numbers = values.filter(isFiniteNumber)
  switch (fn) {
    case 'sum': return sum(numbers)
    case 'avg': return mean(numbers, numbers.length)
    case 'min': return numbers.length === 0 ? undefined : numbers.reduce((a, b) => b < a ? b : a)
    case 'max': return numbers.length === 0 ? undefined : numbers.reduce((a, b) => b > a ? b : a)
  }
}

/** Whether a value is a number that JSON can hold. */
export function isFiniteNumber (value: unknown): value is number {
  return Number.isFinite(value)
}

/** Adds finite numbers. @throws `VALIDATION_ERROR` when the sum is beyond what a number holds */
function sum (numbers: readonly number[]): number {
  const plain = plainSum(numbers)
  if (Number.isFinite(plain)) return plain
  const total = scaledSum(numbers) / SCALE
  if (Number.isFinite(total)) return total
  throw new NoexServerError('VALIDATION_ERROR', 'The sum overflows: it is beyond ±1.8e308')
}

/**
 * Returns the sum of finite numbers divided by `count`, which is not less than how many they are; 0 for a
 * count of 0.
 */
export function mean (numbers: readonly number[], count: number): number {
  if (count === 0) return 0
  const plain = plainSum(numbers)
  if (Number.isFinite(plain)) return plain / count
  const average = scaledSum(numbers) / count / SCALE
  // Only rounding can have led beyond the largest of them.
  return Number.isFinite(average) ? average : Math.sign(average) * Number.MAX_VALUE
}

function plainSum (numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

function scaledSum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number * SCALE, 0)
}
