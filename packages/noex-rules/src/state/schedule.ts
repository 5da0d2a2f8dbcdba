import { Cron } from 'croner'
import type { TimerConfig } from '../timer.js'
import { type Duration, parseDuration } from '../util/duration.js'

const MAX_CRON_LENGTH = 256

/** The schedule of a timer. */
export interface Schedule {
  /** Returns the first firing in epoch milliseconds; `undefined` for never. */
  readonly firstAfter: (now: number) => number | undefined
  /** Returns the firing after one that was handled; `undefined` for never. */
  readonly nextAfter: (now: number) => number | undefined
  /** The number of all firings. */
  readonly maxCount: number
  /** The properties of the timer that show the schedule. */
  readonly timerFields: {
    readonly repeat?: { readonly interval: number, readonly maxCount?: number },
    readonly cron?: string
  }
}

/**
 * Creates the schedule of a timer. Throws `TypeError` and `RangeError` for a configuration without valid
 * times.
 */
export function createSchedule (
  { duration, cron, repeat, maxCount = repeat?.maxCount }: TimerConfig
): Schedule {
  if ((duration === undefined) === (cron === undefined)) {
    throw new TypeError('A timer must have either a duration or a cron')
  }
  if (maxCount !== undefined && !(Number.isSafeInteger(maxCount) && maxCount > 0)) {
    throw new RangeError('The maxCount of a timer must be a whole number above 0')
  }
  return cron === undefined
    ? durationSchedule(duration!, repeat, maxCount)
    : cronSchedule(cron, repeat, maxCount)
}

function durationSchedule (
  duration: Duration,
  repeat: TimerConfig['repeat'],
  maxCount: number | undefined
): Schedule {
  const durationMs = parsePositive(duration)
  if (repeat === undefined) {
    return { firstAfter: now => now + durationMs, nextAfter: () => undefined, maxCount: 1, timerFields: {} }
  }
  const interval = parsePositive(repeat.interval)
  return {
    firstAfter: now => now + durationMs,
    nextAfter: now => now + interval,
    maxCount: maxCount ?? Infinity,
    timerFields: { repeat: Object.freeze({ interval, ...maxCount !== undefined && { maxCount } }) }
  }
}

function cronSchedule (
  expression: string,
  repeat: TimerConfig['repeat'],
  maxCount: number | undefined
): Schedule {
  if (repeat !== undefined) throw new TypeError('A timer with a cron must have no repeat')
  // Croner also accepts dates and nicknames.
  if (typeof expression !== 'string' || expression.length > MAX_CRON_LENGTH ||
    ![5, 6].includes(expression.trim().split(/\s+/).length)) {
    throw new TypeError('A cron must have five fields, or six with seconds in front')
  }
  const cron = new Cron(expression.trim(), { mode: '5-or-6-parts', paused: true })
  const next = (now: number): number | undefined => cron.nextRun(new Date(now))?.getTime()
  return {
    firstAfter: next,
    nextAfter: next,
    maxCount: maxCount ?? Infinity,
    timerFields: {
      cron: expression
    }
  }
}

/** Returns milliseconds, at least 1. Throws `RangeError` for 0. */
function parsePositive (duration: Duration): number {
  const ms = parseDuration(duration)
  if (ms === 0) throw new RangeError('The times of a timer must be longer than 0')
  return Math.max(1, ms)
}
