import type { Origin, Session } from '../protocol/session.js'
import type { TokenRefusal } from './token-refusal.js'

/** Who checks the tokens that clients present. One for each mode of authentication that has tokens. */
export interface Authenticator {
  /**
   * Tells whose token this is, or why it is no good. Rejects when that cannot be found out now.
   * The session may have expired, and its user may be revoked.
   */
  readonly identify: (token: string, origin: Origin) => Promise<Session | TokenRefusal>
  /** Whether a session must be confirmed before it is used again. */
  readonly isStale: (session: Session) => boolean
  /**
   * Confirms a session: the one that counts from now on, or why it has ended. Rejects when that cannot be
   * found out now.
   */
  readonly confirm: (session: Session, origin: Origin) => Promise<Session | TokenRefusal>
}
