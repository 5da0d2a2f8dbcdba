import type { Origin, Session } from '../protocol/session.js'
import type { TokenRefusal } from './token-refusal.js'

/** Checks the tokens of clients. Each mode of authentication with tokens has one. */
export interface Authenticator {
  /**
   * Resolves with the session of a token, or the refusal of an invalid one. The session may have expired, and
   * its user may be revoked. Rejects when the token cannot be checked at the moment.
   */
  readonly identify: (token: string, origin: Origin) => Promise<Session | TokenRefusal>
  /** Returns whether a session must be confirmed before it is used again. */
  readonly isStale: (session: Session) => boolean
  /**
   * Resolves with the session to use from now on, or the reason why it has ended. Rejects when that cannot be
   * checked at the moment.
   */
  readonly confirm: (session: Session, origin: Origin) => Promise<Session | TokenRefusal>
}
