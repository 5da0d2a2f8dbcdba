import { FailureLog, type CallbackEnvironment } from './failure-log.js'
import { catchRejection } from './thenable.js'

/**
 * A function that the application has handed in to be told of something, by the name of its option. Its
 * answer means nothing, and a promise that it returns is not waited for. What it throws or rejects with is
 * logged when it happens first, and then at most once a minute.
 */
export class ApplicationListener<Argument> {
  readonly #call: (argument: Argument) => unknown
  readonly #failures: FailureLog

  constructor (name: string, call: (argument: Argument) => unknown, environment: CallbackEnvironment) {
    this.#call = call
    this.#failures = new FailureLog(name, environment)
  }

  /** Calls it. Never throws. */
  tell (argument: Argument): void {
    try {
      catchRejection(this.#call(argument), error => { this.complain(error) })
    } catch (error) {
      this.complain(error)
    }
  }

  /** Logs that it has failed, unless that was logged within the last minute. Never throws. */
  complain (error: unknown): void {
    this.#failures.write(error)
  }
}
