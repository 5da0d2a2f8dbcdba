import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import { withTimeoutResult } from '../util/with-timeout.js'
import { FailureLog, type CallbackEnvironment } from './failure-log.js'
import { ignoreRejection, isThenable } from './thenable.js'
import { messageOf, readableError, readError } from './thrown.js'

/**
 * A function of the application has failed; the message names it and the log has been told. A client that
 * waits for it learns no more than `INTERNAL_ERROR`.
 */
export class CallbackError extends Error {
  override readonly name = 'CallbackError'
  /** The option that the function stands in, for instance `auth.validate`. */
  readonly callback: string

  constructor (callback: string, problem: string, options?: ErrorOptions) {
    super(`${callback} ${problem}`, options)
    this.callback = callback
  }
}

/** Reads what a function has answered. Throws a TypeError that names what is wrong with it. */
export type ReadAnswer<Answer> = (value: unknown) => Answer

/** How a function can fail; each way is logged by itself. */
type Failure = 'throws' | 'answers' | 'waits'

/**
 * A function that the application has handed in, by the name of its option. In each case the caller gets an
 * answer that `read` has let pass or a `CallbackError`, and no rejection is left unhandled.
 * Each kind of failure is logged when it happens first, and then at most once a minute. A `NoexServerError`
 * is no failure: it is what the client is to be told.
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
   * Returns what the function answers at once. A promise is no such answer.
   * @throws a CallbackError, or the NoexServerError that the function throws
   */
  decide<Answer>(read: ReadAnswer<Answer>, ...args: Args): Answer {
    return this.#read(read, this.#invoke(args))
  }

  /**
   * Resolves with what the function answers within `limitMs`, now or by a promise. Rejects as `decide`
   * throws.
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
    const readable = readableError(cause)
    if (readable instanceof NoexServerError) return readable
    const error = new CallbackError(
      this.name,
      problem,
      cause === undefined ? undefined : { cause: readable }
    )
    this.#failures.write(error, kind)
    return error
  }
}

/** Whether a value is a promise. One that cannot be looked at is none: its reader refuses it. */
function isAwaited (value: unknown): value is PromiseLike<unknown> {
  try {
    return isThenable(value)
  } catch {
    return false
  }
}
