import type { Clock } from '../clock.js'
import type { Log } from '../log.js'

/** Time between two lines of the log about the same callback, in milliseconds. */
const COMPLAINT_MS = 60_000

/**
 * Calls one callback of the application. It never throws: what the callback throws or rejects with is logged,
 * once in a minute.
 */
export class Callback<Argument> {
  readonly #name: string
  readonly #callback: (argument: Argument) => unknown
  readonly #log: Log
  readonly #clock: Clock
  #complainedAt = -Infinity

  /** @param name how the option is called, for the log */
  constructor (name: string, callback: (argument: Argument) => unknown, log: Log, clock: Clock) {
    this.#name = name
    this.#callback = callback
    this.#log = log
    this.#clock = clock
  }

  /** Calls it. A promise that it returns is not waited for. */
  call (argument: Argument): void {
    try {
      catchLater(this.#callback(argument), error => { this.complain(error) })
    } catch (error) {
      this.complain(error)
    }
  }

  /** Logs that the callback has failed, unless that was logged within the last minute. */
  complain (error: unknown): void {
    const now = this.#clock.ticks()
    if (now - this.#complainedAt < COMPLAINT_MS) return
    this.#complainedAt = now
    this.#log.error(
      { err: readable(error) },
      `${this.#name} has failed; further failures within a minute are not logged`
    )
  }
}

type Level = Exclude<keyof Log, 'child'>

/**
 * Calls loggers that the application has handed in. It never throws: the first failure becomes a warning of
 * the process.
 */
export class LogGuard {
  #hasWarned = false

  /** Writes one line. */
  write (log: Log, level: Level, details: object, message: string): void {
    try {
      catchLater(log[level](details, message), error => { this.#warn(error) })
    } catch (error) {
      this.#warn(error)
    }
  }

  /** Returns a logger that writes to another one in this way. */
  wrap (log: Log): Log {
    const method = (level: Level) => (details: object, message: string): void => {
      this.write(log, level, details, message)
    }
    return {
      trace: method('trace'),
      debug: method('debug'),
      info: method('info'),
      warn: method('warn'),
      error: method('error'),
      child: bindings => this.wrap(this.#childOf(log, bindings))
    }
  }

  #childOf (log: Log, bindings: object): Log {
    try {
      return log.child(bindings)
    } catch (error) {
      this.#warn(error)
      return log
    }
  }

  #warn (error: unknown): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    process.emitWarning(
      `the logger has failed, so lines about the audit trail are missing: ${messageOf(error)}`,
      { code: 'NOEX_LOGGER_FAILED' }
    )
  }
}

/** Handles the rejection of what may be a promise. Throws when it is no good one. */
function catchLater (returned: unknown, onRejected: (error: unknown) => void): void {
  const isObject = (typeof returned === 'object' && returned !== null) || typeof returned === 'function'
  if (isObject && 'then' in returned) Promise.resolve(returned).catch(onRejected)
}

/** Returns what is thrown, or an error in its place when it cannot be read: a logger would fail on it. */
function readable (error: unknown): unknown {
  if (!(error instanceof Error)) return new Error(messageOf(error))
  try {
    return typeof error.message === 'string' && typeof error.stack === 'string'
      ? error
      : new Error(
        messageOf(error)
      )
  } catch {
    return new Error(messageOf(error))
  }
}

/** The message of anything that is thrown. */
function messageOf (error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'an error without a text'
  }
}
