import { invalid } from '../protocol/errors.js'
import { add, checkExact, checkFinite } from '../store/arithmetic.js'

/** The operations of `compute` steps. */
export const computations = ['add', 'subtract', 'multiply', 'divide', 'min', 'max', 'round'] as const
export type Computation = typeof computations[number]

/** The most decimal digits that `round` can keep: a number has no more. */
const MAX_DIGITS = 15

/**
 * Computes with two numbers; `round` takes the digits after the decimal point as its second, 0 when absent.
 * @throws `VALIDATION_ERROR` naming the member that is no number, for a division by zero, and for a result
 * that is too large or, where both numbers are integers, not exact
 */
export function compute (op: Computation, left: unknown, right: unknown): number {
  const a = numberOf(left, 'left')
  if (op === 'round') return round(a, right === undefined ? 0 : digitsOf(right))
  const b = numberOf(right, 'right')
  switch (op) {
    case 'add': return add(a, b, 'compute')
    case 'subtract': return add(a, -b, 'compute')
    case 'multiply': return checkExact(a * b, a, b, 'compute')
    case 'divide':
      if (b === 0) throw invalid('right', 'must not be 0 in a division')
      return checkFinite(a / b, 'compute')
    case 'min': return Math.min(a, b)
    case 'max': return Math.max(a, b)
  }
}

/** Rounds half away from zero, by the decimal digits that JSON shows: 1.005 to two digits is 1.01. */
function round (value: number, digits: number): number {
  const scaled = Math.round(shifted(Math.abs(value), digits))
  // A larger number has no decimal digits.
  return Number.isSafeInteger(scaled) ? Math.sign(value) * shifted(scaled, -digits) + 0 : value
}

/** Moves the decimal point, without the rounding error of a multiplication. */
function shifted (value: number, digits: number): number {
  const [mantissa, exponent = '0'] = String(value).split('e') as [string, string?]
  return Number(`${mantissa}e${Number(exponent) + digits}`)
}

function numberOf (value: unknown, member: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(member, 'must be a number')
  return value
}

function digitsOf (value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_DIGITS) return value
  throw invalid('right', `must be an integer from 0 to ${MAX_DIGITS}: the digits that "round" leaves`)
}
