import type { Clock } from './clock.js'
import { NoexServerError } from './errors.js'
import type { Log } from './log.js'

/** Time between two lines of the log about failures of one kind, in milliseconds. */
const COMPLAINT_MS = 60_000

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

/** Where failures are told, and what deadlines are measured with. */
export interface CallbackEnvironment {
  readonly log: Log
  readonly clock: Clock
}

/**
 * A function that the application has handed in, by the name of its option. In each case the caller gets an
 * answer that `read` has let pass or a `CallbackError`, and no rejection is left unhandled.
 * Each kind of failure is logged when it happens first, and then at most once a minute. A `NoexServerError`
 * is no failure: it is what the client is to be told.
 */
export class ApplicationCallback<Args extends unknown[]> {
  readonly name: string
  readonly #call: (...args: Args) => unknown
  readonly #environment: CallbackEnvironment
  readonly #loggedAt = new Map<Failure, number>()

  constructor (name: string, call: (...args: Args) => unknown, environment: CallbackEnvironment) {
    this.name = name
    this.#call = call
    this.#environment = environment
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
    if (!isPromiseLike(answer)) return this.#read(read, answer)
    return await new Promise<Answer>((resolve, reject) => {
      const cancel = this.#environment.clock.after(limitMs, () => {
        reject(this.#failure('waits', `has not settled within ${limitMs} ms`))
      })
      Promise.resolve(answer)
        .finally(cancel)
        .then(
          value => { resolve(this.#read(read, value)) },
          (error: unknown) => { throw this.#failure('throws', 'has failed', error) }
        )
        .catch(reject)
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
      if (isPromiseLike(value)) Promise.resolve(value).catch(() => {})
      const found = error instanceof TypeError ? error.message : 'it cannot be read'
      throw this.#failure('answers', `has answered wrongly: ${found}`)
    }
  }

  #failure (kind: Failure, problem: string, cause?: unknown): CallbackError | NoexServerError {
    if (cause instanceof NoexServerError) return cause
    const error = new CallbackError(this.name, problem, cause === undefined ? undefined : { cause })
    const now = this.#environment.clock.ticks()
    if (now - (this.#loggedAt.get(kind) ?? -Infinity) >= COMPLAINT_MS) {
      this.#loggedAt.set(kind, now)
      this.#log(error)
    }
    return error
  }

  #log (error: CallbackError): void {
    try {
      this.#environment.log.error(
        { err: error, callback: this.name },
        `${this.name} has failed; further failures of this kind within a minute are not logged`
      )
    } catch {
      // The logger is the application's, too, and so is what was thrown: a line that cannot be written
      // refuses as well.
    }
  }
}

function isPromiseLike (value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  try {
    return typeof (value as { then?: unknown }).then === 'function'
  } catch {
    return false
  }
}
