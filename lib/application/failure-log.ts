import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'

/** Time between two log lines about failures of one kind, in milliseconds. */
const PAUSE_MS = 60_000

/** The log of failures, and the clock of deadlines. */
export interface CallbackEnvironment {
  readonly log: Log
  readonly clock: Clock
}

/**
 * Logs the failures of one function of the application: the first one, and later ones at most once a minute.
 * Never throws.
 */
export class FailureLog {
  readonly #callback: string
  readonly #environment: CallbackEnvironment
  readonly #loggedAt = new Map<string | undefined, number>()

  /** `callback` is the name of the option that holds the function. */
  constructor (callback: string, environment: CallbackEnvironment) {
    this.#callback = callback
    this.#environment = environment
  }

  /** Logs an error, unless one of this `kind` was logged within the last minute. */
  write (thrown: unknown, kind?: string): void {
    const { log, clock } = this.#environment
    const now = clock.ticks()
    if (now - (this.#loggedAt.get(kind) ?? -Infinity) < PAUSE_MS) return
    this.#loggedAt.set(kind, now)
    const further = kind === undefined ? 'further failures' : 'further failures of this kind'
    log.error(
      { err: thrown, callback: this.#callback },
      `${this.#callback} has failed; ${further} within a minute are not logged`
    )
  }
}
