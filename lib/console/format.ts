/** Stands for a value that there is none of. */
export const NONE = '–'

const integers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const decimals = new Intl.NumberFormat('en', { maximumFractionDigits: 1, minimumFractionDigits: 1 })
const times = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dates = new Intl.DateTimeFormat('en-GB', {
  year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit'
})

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** Returns a number with separators, and one decimal below 10. */
export function number (value: unknown): string {
  if (!isNumber(value)) return NONE
  return Number.isInteger(value) || Math.abs(value) >= 10 ? integers.format(value) : decimals.format(value)
}

/** Returns a rate per second. */
export function rate (value: unknown): string {
  return isNumber(value) ? number(value < 0.05 ? 0 : value) : NONE
}

/** Returns bytes in the unit that fits. */
export function bytes (value: unknown): string {
  if (!isNumber(value)) return NONE
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let amount = value
  let unit = 0
  while (Math.abs(amount) >= 1_000 && unit < units.length - 1) {
    amount /= 1_000
    unit++
  }
  return `${unit === 0 ? integers.format(amount) : number(Math.round(amount * 10) / 10)} ${units[unit]}`
}

/** Returns milliseconds in the unit that fits. */
export function ms (value: unknown): string {
  if (!isNumber(value)) return NONE
  if (value >= 60_000) return duration(value)
  if (value >= 1_000) return `${decimals.format(value / 1_000)} s`
  if (value >= 10 || value === 0) return `${integers.format(value)} ms`
  return value < 0.1 ? '< 0.1 ms' : `${decimals.format(value)} ms`
}

/** Returns a long time in its two largest units. */
export function duration (value: unknown): string {
  if (!isNumber(value)) return NONE
  const units = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000], ['s', 1_000]] as const
  const first = units.findIndex(([, size]) => value >= size)
  if (first === -1) return '0 s'
  let rest = value
  return units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return count === 0 ? '' : `${count} ${unit}`
  }).filter(Boolean).join(' ')
}

/** Returns the time of day of epoch milliseconds, with the date where it is not of today. */
export function time (value: unknown): string {
  if (!isNumber(value)) return NONE
  const isToday = new Date(value).toDateString() === new Date().toDateString()
  return (isToday ? times : dates).format(value)
}

/** Returns how long ago epoch milliseconds were. */
export function ago (value: unknown): string {
  return isNumber(value) ? duration(Math.max(0, Date.now() - value)) : NONE
}

/** Returns any value as one line of text, of at most `maxChars`. */
export function value (given: unknown, maxChars = 200): string {
  if (given === undefined) return ''
  const text = typeof given === 'string' ? given : JSON.stringify(given) ?? String(given)
  return text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text
}

/** Returns the name of a user, else the id; that of the superadmin as a word. */
export function person ({ userName, userId }: Person): string | undefined {
  return (userName ?? userId)?.replace(/^__(\w+)__$/, '$1')
}

interface Person {
  readonly userName?: string | null | undefined
  readonly userId?: string | null | undefined
}

/** Returns a text, or the sign for none. */
export function text (given: unknown): string {
  return given === undefined || given === null || given === '' ? NONE : value(given)
}
