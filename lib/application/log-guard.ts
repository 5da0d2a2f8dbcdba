import type { Log } from '../log.js'
import { catchRejection } from './thenable.js'
import { messageOf } from './thrown.js'

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
      catchRejection(log[level](details, message), error => { this.#warn(error) })
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
