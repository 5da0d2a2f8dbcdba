import type { AuditEntry } from './entry.js'

/** Something that happens to a connection and not by a request. Who and where it was, the connection knows. */
export interface ConnectionEvent {
  readonly operation: string
  readonly resource?: string
  /** Absent where nothing was wrong. */
  readonly error?: string
  readonly details?: NonNullable<AuditEntry['details']>
}
