import { type Duration, parseDuration } from '../util/duration.js'
import type { Issues } from './issues.js'

/** Checks a duration that must be there and be more than nothing. */
export function validateDuration (issues: Issues, path: string, value: unknown): void {
  if (value === undefined) {
    issues.error(path, 'is missing')
  } else {
    issues.catch(path, () => {
      if (parseDuration(value as Duration) <= 0) issues.error(path, 'must be more than 0 ms')
    })
  }
}

/** Checks a number that must be there, from `min` on. */
export function validateNumber (issues: Issues, path: string, value: unknown, min = -Infinity): void {
  if (value === undefined) issues.error(path, 'is missing')
  else if (typeof value !== 'number' || !Number.isFinite(value)) issues.error(path, 'must be a finite number')
  else if (value < min) issues.error(path, `must be at least ${min}`)
}

/** Checks a whole number from 1 on, that may be missing. */
export function validateOptionalCount (issues: Issues, path: string, value: unknown): void {
  if (value === undefined) return
  if (!Number.isSafeInteger(value) || (value as number) < 1) {
    issues.error(path, 'must be a whole number from 1 on')
  }
}

/** Checks `true` or `false`, that may be missing. */
export function validateOptionalBoolean (issues: Issues, path: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') issues.error(path, 'must be true or false')
}
