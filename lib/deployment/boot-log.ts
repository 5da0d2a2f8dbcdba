import type { LogGuard } from '../application/log-guard.js'
import { messageOf } from '../application/thrown.js'
import type { Log } from '../util/log.js'

/**
 * Logs for an application without a logger: a warning or an error at boot becomes a warning of the process,
 * which Node writes to standard error. Later lines are dropped.
 */
export class BootLog implements Log {
  readonly #log: Log
  #isBooting = true

  private constructor (log: Log) {
    this.#log = log
  }

  /** Returns `log`, made safe by `guard`, or a `BootLog` where `log` writes nothing. */
  static of (log: Log, guard: LogGuard): Log {
    return isNoOp(log) ? new BootLog(log) : guard.wrap(log)
  }

  /** Ends the boot of the service that logs to `log`. */
  static end (log: Log): void {
    if (log instanceof BootLog) log.#isBooting = false
  }

  /** Logs a warning about the boot to `log`, also after its end. */
  static warn (log: Log, details: object, message: string): void {
    if (log instanceof BootLog) warnProcess(details, message)
    else log.warn(details, message)
  }

  trace (): void {}

  debug (): void {}

  info (): void {}

  warn (details: object, message: string): void {
    if (this.#isBooting) warnProcess(details, message)
  }

  error (details: object, message: string): void {
    if (this.#isBooting) warnProcess(details, message)
  }

  child (bindings: object): Log {
    return this.#log.child(bindings)
  }
}

/**
 * Returns whether a logger has no level and the same function for all, like that of Fastify without the
 * option `logger`. A silent logger has a level: its application wants no warnings.
 */
function isNoOp (log: Log): boolean {
  const { debug, info, warn, error } = log
  return !('level' in log) && debug === info && info === warn && warn === error
}

function warnProcess (details: object, message: string): void {
  const { advice, err, ...others } = details as { readonly advice?: string, readonly err?: unknown }
  const facts = { ...others, ...(err !== undefined && { error: messageOf(err) }) }
  const code = advice === undefined ? {} : { code: advice }
  process.emitWarning(message, { type: 'FastifyNoexWarning', detail: JSON.stringify(facts), ...code })
}
