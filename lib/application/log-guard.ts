import type { Log } from '../util/log.js'
import { catchRejection } from './thenable.js'
import { messageOf, readableError } from './thrown.js'

type Level = Exclude<keyof Log, 'child'>

/**
 * Wraps loggers of the application, so that they never throw. Each is wrapped once, where the service
 * receives it. The first failure of any of them becomes a warning of the process.
 */
export class LogGuard {
  #hasWarned = false

  /**
   * Returns a logger that writes to `log` and never throws, nor do its children; `log` itself if it is one.
   */
  wrap (log: Log): Log {
    return log instanceof GuardedLog ? log : new GuardedLog(log, this)
  }

  /** Warns once that a log line, or a part of it, is lost. Never throws. */
  warn (error: unknown): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    process.emitWarning(
      `the logger has failed, so lines of the log, or parts of them, are missing: ${messageOf(error)}`,
      { code: 'NOEX_LOGGER_FAILED' }
    )
  }
}

class GuardedLog implements Log {
  readonly #log: Log
  readonly #guard: LogGuard

  constructor (log: Log, guard: LogGuard) {
    this.#log = log
    this.#guard = guard
  }

  trace (details: object, message: string): void {
    this.#write('trace', details, message)
  }

  debug (details: object, message: string): void {
    this.#write('debug', details, message)
  }

  info (details: object, message: string): void {
    this.#write('info', details, message)
  }

  warn (details: object, message: string): void {
    this.#write('warn', readable(details), message)
  }

  error (details: object, message: string): void {
    this.#write('error', readable(details), message)
  }

  child (bindings: object): Log {
    try {
      return new GuardedLog(this.#log.child(bindings), this.#guard)
    } catch (error) {
      this.#guard.warn(error)
      return this
    }
  }

  #write (level: Level, details: object, message: string): void {
    try {
      this.#call(level, details, message)
    } catch (error) {
      this.#guard.warn(error)
      if ('err' in details) this.#writeText(level, details, message)
    }
  }

  /** Writes a line again with the text of its error, which the logger may not have been able to read. */
  #writeText (level: Level, { err, ...others }: { readonly err?: unknown }, message: string): void {
    try {
      this.#call(level, { ...others, error: messageOf(err) }, message)
    } catch {
      // The warning of the process has been emitted.
    }
  }

  #call (level: Level, details: object, message: string): void {
    catchRejection(this.#log[level](details, message), error => { this.#guard.warn(error) })
  }
}

/** Replaces an error that cannot be read, since loggers may read it later. */
function readable (details: object): object {
  const { err } = details as { readonly err?: unknown }
  if (err === undefined) return details
  const shown = readableError(err)
  return shown === err ? details : { ...details, err: shown }
}
