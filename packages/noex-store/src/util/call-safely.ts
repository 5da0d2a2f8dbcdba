import { isThenable } from './value-kinds.js'

/**
 * Calls a function of the application, which may throw, or return a promise that rejects: `onFailure` hears
 * of it, and the caller goes on.
 */
export function callSafely<A extends unknown[]> (
  callback: (...args: A) => unknown, onFailure: (error: unknown) => void, ...args: A
): void {
  try {
    const result = callback(...args)
    if (isThenable(result)) result.then(undefined, onFailure)
  } catch (error) {
    onFailure(error)
  }
}
