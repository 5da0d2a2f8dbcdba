import { isCalendarDay } from './calendar-day.js'
import { timeOf } from './stored-date.js'

const DAY = String.raw`\d{4}-\d{2}-\d{2}`
const TIME = String.raw`T(?:(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?|24:00(?::00(?:\.0+)?)?)`
const ZONE = String.raw`(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)`
const ISO = new RegExp(`^(${DAY})(?:${TIME}(${ZONE})?)?$`)
/** Characters of a day alone. */
const DAY_LENGTH = 10

/** Greatest distance of a `Date` from 1970, in milliseconds. */
const MAX_INSTANT = 8.64e15

/**
 * Returns the epoch milliseconds that a value of a `date` field stands for, and any value that stands for
 * none as it is. A text without a time is midnight in UTC, one without a zone is in UTC too: a value is the
 * same on every machine. `24:00` is the end of the day.
 */
export function instantOf (value: unknown): unknown {
  if (typeof value === 'number') return value
  if (value instanceof Date) return timeOf(value)
  if (typeof value !== 'string') return value
  const [text, day, zone] = ISO.exec(value) ?? []
  if (text === undefined || !isCalendarDay(day as string)) return value
  const time = Date.parse(text.length > DAY_LENGTH && zone === undefined ? `${text}Z` : text)
  return Number.isNaN(time) ? value : time
}

/** Tells whether a value is a point in time: a valid `Date`, epoch milliseconds or an ISO 8601 text. */
export function isInstant (value: unknown): boolean {
  const time = instantOf(value)
  return typeof time === 'number' && Math.abs(time) <= MAX_INSTANT
}
