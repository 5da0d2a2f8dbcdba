import { timeOf } from './stored-date.js'

const DATE = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`
const TIME = String.raw`T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?`
const ZONE = String.raw`(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)`
const ISO = new RegExp(`^${DATE}(?:${TIME}${ZONE}?)?$`)

/** Greatest distance of a `Date` from 1970, in milliseconds. */
const MAX_INSTANT = 8.64e15

/**
 * Returns the epoch milliseconds that a value of a `date` field stands for, and any value that stands for
 * none as it is. A text without a time is midnight in UTC, one without a zone is in the zone of the process.
 */
export function instantOf (value: unknown): unknown {
  if (typeof value === 'number') return value
  if (value instanceof Date) return timeOf(value)
  if (typeof value !== 'string' || !ISO.test(value)) return value
  const time = Date.parse(value)
  return Number.isNaN(time) ? value : time
}

/** Tells whether a value is a point in time: a valid `Date`, epoch milliseconds or an ISO 8601 text. */
export function isInstant (value: unknown): boolean {
  const time = instantOf(value)
  return typeof time === 'number' && Math.abs(time) <= MAX_INSTANT
}
