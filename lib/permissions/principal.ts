import type { Session } from '../protocol/session.js'

/** The party on whose behalf requests are made, as far as its rights depend on it. */
export interface Principal {
  /** The session that is logged in; `undefined` for an anonymous principal. */
  readonly session: Session | undefined
  /** Grows with each change of the session and of what its user may do. */
  readonly version: number
  /** Whether requests are still taken: not once the connection has begun to close. */
  readonly isOpen: boolean
  /**
   * Ends the session if it is over. Returns whether a session has expired that the principal has not been
   * told of, and counts this call as telling it.
   */
  checkExpiry: () => boolean
}
