import { invalid } from '../protocol/errors.js'

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
