import { closeReasons, type CloseReason } from '../protocol/close-codes.js'
import type { AuditSubject } from './request-audit.js'
import type { AuditTrail } from './trail.js'

/**
 * What is done to a connection otherwise than by its requests, as the trail records it. PROTOCOL.md, "Audit".
 */
export class ConnectionAudit {
  readonly #trail: AuditTrail

  constructor (trail: AuditTrail) {
    this.#trail = trail
  }

  /** The server closes a connection. A shutdown is recorded once, for all of them. */
  closed (subject: AuditSubject, { code, reason }: CloseReason): void {
    if (code !== closeReasons.serverShutdown.code) this.#note(subject, 'connection.close', reason, { code })
  }

  /** A connection has failed: because its client broke RFC 6455, or just so. */
  failed (subject: AuditSubject, error: Error & { readonly code?: unknown }): void {
    const isViolation = typeof error.code === 'string' && error.code.startsWith('WS_ERR_')
    if (isViolation) this.#note(subject, 'connection.violation', error.message)
  }

  /** The first of the frames of a connection that are no requests. */
  malformed (subject: AuditSubject, problem: string): void {
    this.#note(subject, 'connection.malformed', problem)
  }

  /** How many there were in the end. */
  allMalformed (subject: AuditSubject, frames: number): void {
    this.#note(subject, 'connection.malformed', 'frames that were no requests', { frames })
  }

  /** The first of the frames of a connection that the rate limit refuses. */
  limited (subject: AuditSubject, operation: string | undefined): void {
    this.#note(
      subject,
      'connection.limited',
      'Rate limit exceeded',
      operation === undefined ? undefined : { operation }
    )
  }

  /** How many there were in the end. */
  allLimited (subject: AuditSubject, frames: number): void {
    this.#note(subject, 'connection.limited', 'frames that the rate limit has refused', { frames })
  }

  #note (
    { principal: { session }, origin, log }: AuditSubject,
    operation: string,
    error: string,
    details?: Readonly<Record<string, unknown>>
  ): void {
    const { connectionId, remoteAddress } = origin
    this.#trail.note(
      {
        userId: session?.userId ?? null,
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
