import type { ConnectionAudit } from './connection-audit.js'
import type { AuditSubject } from './request-audit.js'

/**
 * What one client does wrong, for the audit trail: the first of each kind, and at the end how many there
 * were. A client that does nothing else must not fill the trail, nor push out of it what others have done.
 */
export class ClientConduct {
  readonly #subject: AuditSubject
  readonly #audit: ConnectionAudit | undefined
  #malformed = 0
  #limited = 0

  constructor (subject: AuditSubject, audit: ConnectionAudit | undefined) {
    this.#subject = subject
    this.#audit = audit
  }

  /** A frame was no request. */
  malformed (problem: string): void {
    if (this.#malformed++ === 0) this.#audit?.malformed(this.#subject, problem)
  }

  /** A frame was refused by the rate limit; `operation` is `undefined` when it asks for none that exists. */
  limited (operation: string | undefined): void {
    if (this.#limited++ === 0) this.#audit?.limited(this.#subject, operation)
  }

  /** The connection takes no more frames. */
  end (): void {
    if (this.#malformed > 1) this.#audit?.allMalformed(this.#subject, this.#malformed)
    if (this.#limited > 1) this.#audit?.allLimited(this.#subject, this.#limited)
  }
}
