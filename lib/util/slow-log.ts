import type { Clock } from './clock.js'
import type { Log } from './log.js'
import { option, options } from './option-schema.js'
import { type } from './option-types.js'

/** The options of the log. */
export interface SlowOptions {
  /**
   * Duration from which on a request or an evaluation of a query is [logged as slow](operating.md#slow-ones),
   * in milliseconds: `0` takes all of them for slow, `Infinity` none.
   * @default 100
   */
  slowMs?: number | undefined
}

/** The longest `slowMs` but `Infinity`. */
const MAX_MS = 3_600_000

const duration = type(
  'integer, 0 to 3,600,000, or `Infinity`',
  `must be an integer from 0 to ${MAX_MS}, or Infinity`,
  value =>
    value === Infinity || (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_MS)
)

export const slowOptions = options<SlowOptions>()({ slowMs: option(duration, 100) })

/** Time within which one subject is logged once, and `MAX_LINES` of all, in milliseconds. */
const PAUSE_MS = 60_000

/** Lines within that time. */
const MAX_LINES = 60

/** Subjects that are told apart; the one that was logged first is forgotten for another one. */
const MAX_SUBJECTS = 1_000

/** The threshold in milliseconds, and where lines go. */
export interface SlowLogSettings {
  readonly slowMs: number
  readonly log: Log
  readonly clock: Clock
}

/** The lines of one subject. */
interface Subject {
  loggedAt: number
  /** Slow ones since then, which have no line. */
  omitted: number
}

/**
 * Logs what is slow: each subject once a minute, and no more than 60 lines a minute, so that one bad query
 * cannot fill the log. The next line of a subject says how many have been left out.
 */
export class SlowLog {
  readonly #slowMs: number
  readonly #log: Log
  readonly #clock: Clock
  readonly #subjects = new Map<string, Subject>()
  #since = -Infinity
  #lines = 0

  constructor ({ slowMs, log, clock }: SlowLogSettings) {
    this.#slowMs = slowMs
    this.#log = log
    this.#clock = clock
  }

  /** Whether a duration in milliseconds counts as slow. */
  isSlow (ms: number): boolean {
    return ms >= this.#slowMs
  }

  /**
   * Logs that `subject` has been slow, unless it has been logged within the last minute. `details` is called
   * for a line that is written; it must hold no values of a request. `log` is by default that of the service.
   */
  write (subject: string, ms: number, message: string, details: () => object, log: Log = this.#log): void {
    const now = this.#clock.ticks()
    const known = this.#subjects.get(subject)
    if ((known !== undefined && now - known.loggedAt < PAUSE_MS) || !this.#mayLog(now)) {
      if (known !== undefined) known.omitted++
      return
    }
    this.#subjects.delete(subject)
    if (this.#subjects.size >= MAX_SUBJECTS) {
      const [oldest] = this.#subjects.keys()
      this.#subjects.delete(oldest as string)
    }
    this.#subjects.set(subject, { loggedAt: now, omitted: 0 })
    this.#lines++
    const omitted = known?.omitted ?? 0
    log.warn({ ...details(), ms: Math.round(ms), ...(omitted > 0 && { omitted }) }, message)
  }

  #mayLog (now: number): boolean {
    if (now - this.#since >= PAUSE_MS) {
      this.#since = now
      this.#lines = 0
    }
    return this.#lines < MAX_LINES
  }
}
