import { isCalendarDay } from './calendar-day.js'

/**
 * Characters of a text of format `email`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_EMAIL = 320
/**
 * Characters of a text of format `url`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_URL = 2_048

const DATE = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`
const TIME = String.raw`T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?`
const ISO_DATE = new RegExp(`^(${DATE})(?:${TIME})?$`)

/** Tells whether a text looks like an email address: at most 320 characters, one `@`, a dot behind it. */
export function isValidEmail (value: string): boolean {
  if (value.length > MAX_EMAIL || /\s/.test(value)) return false
  const at = value.indexOf('@')
  if (at < 1 || value.includes('@', at + 1)) return false
  const dot = value.indexOf('.', at + 2)
  return dot !== -1 && dot < value.length - 1
}

/** Tells whether a text is an absolute URL of at most 2,048 characters. */
export function isValidUrl (value: string): boolean {
  return value.length <= MAX_URL && URL.canParse(value)
}

/** Tells whether a text is a date of the calendar in ISO 8601, with or without a time. */
export function isValidIsoDate (value: string): boolean {
  const date = ISO_DATE.exec(value)?.[1]
  return date !== undefined && isCalendarDay(date)
}
