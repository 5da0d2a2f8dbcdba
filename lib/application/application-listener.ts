import { FailureLog, type CallbackEnvironment } from './failure-log.js'
import { catchRejection } from './thenable.js'

/**
 * Calls a listener of the application, which is named by its option. Its result is ignored, and its promise
 * is not awaited. A failure is logged when it first happens, and then at most once a minute.
 */
export class ApplicationListener<Argument> {
  readonly #call: (argument: Argument) => unknown
  readonly #failures: FailureLog

  constructor (name: string, call: (argument: Argument) => unknown, environment: CallbackEnvironment) {
    this.#call = call
    this.#failures = new FailureLog(name, environment)
  }

  /** Calls the listener. Never throws. */
  tell (argument: Argument): void {
    try {
      catchRejection(this.#call(argument), error => { this.complain(error) })
    } catch (error) {
      this.complain(error)
    }
  }

  /** Logs a failure, unless one was logged within the last minute. Never throws. */
  complain (error: unknown): void {
    this.#failures.write(error)
  }
}
