import { closeReasons, type CloseReason } from '../protocol/close-codes.js'
import { userOf, type AuditSubject } from './request-audit.js'
import type { AuditTrail } from './trail.js'

/**
 * Records the events of one connection that are not requests. PROTOCOL.md, "Audit". Of malformed frames, and
 * of rate-limited ones, it records the first and at the end the number: a client that sends nothing else must
 * neither fill the trail nor push the entries of others out of it.
 */
export class ConnectionAudit {
  readonly #trail: AuditTrail
  readonly #subject: AuditSubject
  #malformed = 0
  #limited = 0

  constructor (trail: AuditTrail, subject: AuditSubject) {
    this.#trail = trail
    this.#subject = subject
  }

  /** Records that a frame was not a request. */
  malformed (problem: string): void {
    if (this.#malformed++ === 0) this.#note('connection.malformed', problem)
  }

  /**
   * Records that the rate limit refused a frame; `operation` is `undefined` when it names none that exists.
   */
  limited (operation: string | undefined): void {
    if (this.#limited++ > 0) return
    const details = operation === undefined ? undefined : { operation }
    this.#note('connection.limited', 'Rate limit exceeded', details)
  }

  /** Records how many frames were malformed or rate-limited, once the connection accepts no more of them. */
  end (): void {
    if (this.#malformed > 1) {
      this.#note('connection.malformed', 'frames that were no requests', { frames: this.#malformed })
    }
    if (this.#limited > 1) {
      this.#note('connection.limited', 'frames that the rate limit has refused', { frames: this.#limited })
    }
  }

  /** Records that the server closes the connection. A shutdown has one entry for all connections. */
  closed ({ code, reason }: CloseReason): void {
    if (code !== closeReasons.serverShutdown.code) this.#note('connection.close', reason, { code })
  }

  /** Records that the connection failed, if the client violated RFC 6455. */
  failed (error: Error & { readonly code?: unknown }): void {
    const isViolation = typeof error.code === 'string' && error.code.startsWith('WS_ERR_')
    if (isViolation) this.#note('connection.violation', error.message)
  }

  #note (operation: string, error: string, details?: Readonly<Record<string, unknown>>): void {
    const { origin, log } = this.#subject
    const { connectionId, remoteAddress } = origin
    this.#trail.note(
      {
        ...userOf(this.#subject),
        sessionId: connectionId,
        operation,
        error,
        ...(details && { details }),
        remoteAddress
      },
      log
    )
  }
}
