import { sumOverflow } from '../protocol/refusals.js'
import { exactSumOf } from '../store/arithmetic.js'
import type { AggregateFunction } from '@hamicek/noex-store'

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
  const total = exactSumOf(numbers).sum()
  if (Number.isFinite(total)) return total
  throw sumOverflow()
}

/**
 * Returns the sum of finite numbers divided by `count`, which is not less than how many they are; 0 for a
 * count of 0.
 */
export function mean (numbers: readonly number[], count: number): number {
  return count === 0 ? 0 : exactSumOf(numbers).mean(count)
}
