import { Type } from 'typebox'
import { isExpired } from '../protocol/session.js'
import { TokenRefusal } from '../auth/token-refusal.js'
import { NoexServerError } from '../protocol/errors.js'
import { SessionNotice } from '../protocol/fields.js'
import { userRevoked } from '../protocol/refusals.js'
import { IdentitySession } from '../identity/session-service.js'
import type { Client } from './context.js'
import { defineOperation, type Operation } from './operation.js'

/**
 * Characters of a token of any kind, which is kept as long as its session.
 * @limit `VALIDATION_ERROR`
 */
const MAX_TOKEN_CHARS = 16_384
const Token = Type.String({ minLength: 1, maxLength: MAX_TOKEN_CHARS })

/** The operations of the `auth` namespace. PROTOCOL.md, "Authentication". */
export const auth: readonly Operation[] = [
  defineOperation({
    name: 'auth.login',
    tier: 'admin',
    accessLevel: 'everyone',
    isChange: true,
    needsConnection: 'send the token in the header Authorization instead',
    request: Type.Object({ token: Token, sessionNotice: SessionNotice }),
    async run ({ server: { authenticator, clock, revocations }, client }, r) {
      const { mark } = revocations
      const session = await authenticator?.identify(r.token, client.origin)
      if (session === undefined) throw new NoexServerError('UNAUTHORIZED', 'Invalid token')
      if (session instanceof TokenRefusal) throw refused(client, session.reason)
      if (session.state === 'ended') throw refused(client, 'its session has ended')
      if (isExpired(session, clock.now())) throw refused(client, 'it has expired', 'Token has expired')
      if (revocations.bars(session, mark)) {
        client.logOut()
        throw userRevoked()
      }
      if (session.state === 'barred') throw refused(client, 'its user is disabled, deleted or revoked')
      client.logIn(session, r.sessionNotice)
      return { userId: session.userId, roles: session.roles, expiresAt: session.expiresAt ?? null }
    }
  }),
  defineOperation({
    name: 'auth.logout',
    tier: 'admin',
    accessLevel: 'everyone',
    isChange: true,
    needsConnection: 'leave the token out; identity.logout ends the session of an account',
    request: Type.Object({}),
    async run ({ server: { identity }, client, grant }) {
      const { session } = grant.principal
      client.logOut()
      // Otherwise the token could log in again.
      if (session instanceof IdentitySession) await identity?.sessions.end(session)
      return { loggedOut: true }
    }
  }),
  defineOperation({
    name: 'auth.whoami',
    accessLevel: 'everyone',
    request: Type.Object({}),
    async run ({ server: { clock }, grant: { principal: { session } } }) {
      if (session === undefined || isExpired(session, clock.now()) || session.state !== 'live') {
        return { authenticated: false }
      }
      return {
        authenticated: true,
        userId: session.userId,
        roles: session.roles,
        expiresAt: session.expiresAt ?? null
      }
    }
  })
]

/** Builds the refusal of a token. The reason is logged and not sent: an attacker could learn from it. */
function refused (client: Client, reason: string, message = 'Invalid token'): NoexServerError {
  client.log.info({ reason }, 'token refused')
  return new NoexServerError('UNAUTHORIZED', message)
}
