import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import { withTimeoutResult } from '../util/with-timeout.js'
import { FailureLog, type CallbackEnvironment } from './failure-log.js'
import { plainRefusal } from './plain-answer.js'
import { ignoreRejection, isThenable } from './thenable.js'
import { messageOf, readableError, readError } from './thrown.js'

/**
 * The failure of a function of the application, which has been logged. The message names the function. A
 * client that waits for it receives `INTERNAL_ERROR`.
 */
export class CallbackError extends Error {
  override readonly name = 'CallbackError'
  /** The option that holds the function, for instance `auth.validate`. */
  readonly callback: string

  constructor (callback: string, problem: string, options?: ErrorOptions) {
    super(`${callback} ${problem}`, options)
    this.callback = callback
  }
}

/** Checks and converts the result of a function. @throws {TypeError} that names the problem */
type ReadAnswer<Answer> = (value: unknown) => Answer

/** The kinds of failures, each of which is logged separately. */
type Failure = 'throws' | 'answers' | 'waits'

/**
 * Calls a function of the application, which is named by its option. The caller gets a result that `read` has
 * accepted, or a `CallbackError`, and no rejection is left unhandled. Each kind of failure is logged when it
 * first happens, and then at most once a minute. A `NoexServerError` is no failure: it is the reply to the
 * client.
 */
export class ApplicationCallback<Args extends unknown[]> {
  readonly name: string
  readonly #call: (...args: Args) => unknown
  readonly #clock: Clock
  readonly #failures: FailureLog

  constructor (name: string, call: (...args: Args) => unknown, environment: CallbackEnvironment) {
    this.name = name
    this.#call = call
    this.#clock = environment.clock
    this.#failures = new FailureLog(name, environment)
  }

  /**
   * Calls the function and returns its result, which must not be a promise.
   * @throws a CallbackError, or the NoexServerError that the function throws
   */
  decide<Answer>(read: ReadAnswer<Answer>, ...args: Args): Answer {
    return this.#read(read, this.#invoke(args))
  }

  /**
   * Calls the function and resolves with its result or that of its promise, within `limitMs`. Rejects with
   * the errors of `decide`.
   */
  async ask<Answer>(limitMs: number, read: ReadAnswer<Answer>, ...args: Args): Promise<Answer> {
    const answer = this.#invoke(args)
    if (!isAwaited(answer)) return this.#read(read, answer)
    const reading = Promise.resolve(answer).then(
      value => this.#read(read, value),
      (error: unknown) => { throw this.#failure('throws', 'has failed', error) }
    )
    return await withTimeoutResult(limitMs, reading, this.#clock, () => {
      throw this.#failure('waits', `has not settled within ${limitMs} ms`)
    })
  }

  #invoke (args: Args): unknown {
    try {
      return this.#call(...args)
    } catch (error) {
      throw this.#failure('throws', 'has failed', error)
    }
  }

  #read<Answer>(read: ReadAnswer<Answer>, value: unknown): Answer {
    try {
      return read(value)
    } catch (error) {
      // Its rejection must not end the process.
      ignoreRejection(value)
      const found = readError(error)?.name === 'TypeError' ? messageOf(error) : 'it cannot be read'
      throw this.#failure('answers', `has answered wrongly: ${found}`)
    }
  }

  #failure (kind: Failure, problem: string, cause?: unknown): CallbackError | NoexServerError {
    let readable = readableError(cause)
    if (readable instanceof NoexServerError) {
      try {
        return plainRefusal(this.name, readable)
      } catch (unsendable) {
        readable = unsendable as Error
      }
    }
    const error = new CallbackError(
      this.name,
      problem,
      cause === undefined ? undefined : { cause: readable }
    )
    this.#failures.write(error, kind)
    return error
  }
}

/**
 * Returns whether a value is a promise; `false` for one whose `then` cannot be read, which `read` refuses.
 */
function isAwaited (value: unknown): value is PromiseLike<unknown> {
  try {
    return isThenable(value)
  } catch {
    return false
  }
}
