/**
 * A time span: milliseconds, or a text such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`, `'1w'`, `'1y'`.
 */
export type Duration = number | string

/** Milliseconds; a year is 365 days. From the largest to the smallest. */
const UNITS: ReadonlyArray<readonly [name: string, ms: number]> = [
  ['y', 31_536_000_000],
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1]
]
const UNIT_MS: ReadonlyMap<string, number> = new Map(UNITS)
const TEXT = /^(\d{1,16})(ms|[smhdwy])?$/

/**
 * Returns the milliseconds of a duration. A text of digits alone means milliseconds. Throws `RangeError` for
 * any other text, and for a number that is negative, `NaN` or greater than `Number.MAX_SAFE_INTEGER`.
 */
export function parseDuration (duration: Duration): number {
  const ms = typeof duration === 'number' ? duration : parseText(duration)
  if (ms >= 0 && ms <= Number.MAX_SAFE_INTEGER) return ms
  throw new RangeError('A duration lies between 0 ms and 9007199254740991 ms')
}

/**
 * Returns a duration as text, in the largest unit that it reaches, rounded: `'1w'` for 7 days, `'60s'` for
 * 59,999 ms, `'2m'` for 90 s. Throws `RangeError` as `parseDuration` does.
 */
export function formatDuration (ms: number): string {
  const duration = parseDuration(ms)
  const [name, size] = UNITS.find(([, size]) => duration >= size) ?? ['ms', 1]
  return `${Math.round(duration / size)}${name}`
}

function parseText (text: unknown): number {
  const found = typeof text === 'string' ? TEXT.exec(text) : null
  if (found === null) {
    throw new RangeError(
      'A duration is a number of milliseconds or a text such as "500ms", "30s", "5m", "2h", "1d", "1w", "1y"'
    )
  }
  return Number(found[1]) * UNIT_MS.get(found[2] ?? 'ms')!
}
