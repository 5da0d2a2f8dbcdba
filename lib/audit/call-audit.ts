import { WindowLimiter } from '../limits/window-limiter.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { userOf, type AuditSubject } from './request-audit.js'
import type { AuditTrail } from './trail.js'

/**
 * Notes of one address in one minute about requests over HTTP that were not handled.
 * @limit further ones are not recorded
 */
const MAX_NOTES = 20

const WINDOW_MS = 60_000

/**
 * Records what is no request over HTTP, or is refused before it is handled, under the names that the events
 * of connections have. A client that sends nothing else must neither fill the trail nor push the entries of
 * others out of it.
 */
export class CallAudit {
  readonly #trail: AuditTrail
  readonly #notes: WindowLimiter

  constructor (trail: AuditTrail, clock: Clock) {
    this.#trail = trail
    this.#notes = new WindowLimiter({ max: MAX_NOTES, windowMs: WINDOW_MS }, clock)
  }

  /** Records that a message was not a request. */
  malformed (subject: AuditSubject, problem: string): void {
    this.#noteOf(subject, 'connection.malformed', problem)
  }

  /**
   * Records that the rate limit refused a request; `operation` is `undefined` when it names none that exists.
   */
  limited (subject: AuditSubject, operation: string | undefined): void {
    const details = operation === undefined ? undefined : { operation }
    this.#noteOf(subject, 'connection.limited', 'Rate limit exceeded', details)
  }

  /** Records that a request from an address is refused as a whole. */
  refused (remoteAddress: string, reason: string, log: Log): void {
    if (this.#notes.take(remoteAddress) === undefined) return
    this.#trail.note({ operation: 'connection.refuse', error: reason, remoteAddress }, log)
  }

  #noteOf (
    subject: AuditSubject, operation: string, error: string, details?: Readonly<Record<string, unknown>>
  ): void {
    const { origin: { remoteAddress }, log } = subject
    if (this.#notes.take(remoteAddress) === undefined) return
    const user = userOf(subject)
    this.#trail.note({ ...user, operation, error, ...(details && { details }), remoteAddress }, log)
  }
}
