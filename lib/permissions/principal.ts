import type { Session } from '../protocol/session.js'
import type { Presence } from '../store/presence.js'

/** The party on whose behalf requests are made. */
export interface Principal {
  /** The session that is logged in; `undefined` for an anonymous principal. */
  readonly session: Session | undefined
  /** The presence of its connection. */
  readonly presence: Presence
  /** Grows with each change of the session and of what its user may do. */
  readonly version: number
  /** Whether requests are still taken: not once the connection has begun to close. */
  readonly isOpen: boolean
  /**
   * Ends the session if it is over. Returns whether a session has expired since the last call: the client is
   * told that once.
   */
  checkExpiry: () => boolean
}
