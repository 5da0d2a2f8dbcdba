import { type Duration, parseDuration } from '../util/duration.js'
import type { Issues } from './issues.js'

/** Checks a required duration, longer than 0. */
export function validateDuration (issues: Issues, path: string, value: unknown): void {
  if (value === undefined) {
    issues.error(path, 'is missing')
  } else {
    issues.catch(path, () => {
      if (parseDuration(value as Duration) <= 0) issues.error(path, 'must be more than 0 ms')
    })
  }
}

/** Checks a required number, from `min` on. */
export function validateNumber (issues: Issues, path: string, value: unknown, min = -Infinity): void {
  if (value === undefined) issues.error(path, 'is missing')
  else if (typeof value !== 'number' || !Number.isFinite(value)) issues.error(path, 'must be a finite number')
  else if (value < min) issues.error(path, `must be at least ${min}`)
}

/** Checks an optional whole number, from 1 on. */
export function validateOptionalCount (issues: Issues, path: string, value: unknown): void {
  if (value === undefined) return
  if (!Number.isSafeInteger(value) || (value as number) < 1) {
    issues.error(path, 'must be a whole number from 1 on')
  }
}

/** Checks an optional boolean. */
export function validateOptionalBoolean (issues: Issues, path: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') issues.error(path, 'must be true or false')
}
