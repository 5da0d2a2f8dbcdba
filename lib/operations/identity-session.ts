import { Type } from 'typebox'
import type { Principal } from '../permissions/principal.js'
import { loginRequired, userRevoked } from '../protocol/refusals.js'
import { IdentitySession, type NewSession } from '../identity/session-service.js'
import { SUPERADMIN_ID } from '../identity/system-roles.js'
import { Name, SessionNotice } from '../protocol/fields.js'
import type { OperationContext } from './context.js'
import { accounts, defineOperation, userIn, type Operation } from './operation.js'

/**
 * Characters of a name, password or secret to log in with.
 * @limit `VALIDATION_ERROR`
 */
const MAX_CREDENTIAL_CHARS = 4_096
const Credential = Type.String({ minLength: 1, maxLength: MAX_CREDENTIAL_CHARS })

/**
 * The operations of the `identity` namespace that concern the client's own session. PROTOCOL.md, "Users and
 * roles".
 */
export const identitySession: readonly Operation[] = [
  defineOperation({
    name: 'identity.login',
    tier: 'admin',
    resource: userIn('username'),
    details: ['username'],
    accessLevel: 'everyone',
    isChange: true,
    request: Type.Object({ username: Credential, password: Credential, sessionNotice: SessionNotice }),
    secrets: ['password'],
    async run (context, { username, password, sessionNotice }) {
      const { server, client, grant: { principal, note } } = context
      const isHere = (): boolean => principal.isOpen
      const { mark } = server.revocations
      const begun = await accounts(server).logins
        .withPassword(username, password, client.origin, isHere, note)
      return logIn(context, begun, { mark, isNotified: sessionNotice })
    }
  }),
  defineOperation({
    name: 'identity.loginWithSecret',
    tier: 'admin',
    accessLevel: 'everyone',
    isChange: true,
    request: Type.Object({ secret: Credential, sessionNotice: SessionNotice }),
    secrets: ['secret'],
    async run (context, { secret, sessionNotice }) {
      const { server, client, grant: { principal, note } } = context
      const isHere = (): boolean => principal.isOpen
      const { mark } = server.revocations
      const begun = await accounts(server).logins.withSecret(secret, client.origin, isHere, note)
      return logIn(context, begun, { mark, isNotified: sessionNotice })
    }
  }),
  defineOperation({
    name: 'identity.logout',
    tier: 'admin',
    accessLevel: 'session',
    isChange: true,
    request: Type.Object({}),
    async run ({ server, client, grant }) {
      const session = sessionOf(grant.principal)
      client.logOut()
      await accounts(server).sessions.end(session, grant.note)
      return { loggedOut: true }
    }
  }),
  defineOperation({
    name: 'identity.whoami',
    accessLevel: 'session',
    request: Type.Object({}),
    async run ({ grant }) {
      const { userId, roles, expiresAt } = sessionOf(grant.principal)
      return { authenticated: true, userId, roles, expiresAt }
    }
  }),
  defineOperation({
    name: 'identity.refreshSession',
    tier: 'admin',
    accessLevel: 'session',
    isChange: true,
    request: Type.Object({}),
    async run (context) {
      const { server, client, grant } = context
      const { note } = grant
      const identity = accounts(server)
      const session = sessionOf(grant.principal)
      return await identity.directory.exclusive(async () => {
        grant.assertStillAllowed()
        const options = { replaced: session.id, note }
        const renewed = await identity.sessions.begin(session.userId, client.origin, options)
        // Before the old session ends, so that the client is always logged in.
        const result = logIn(context, renewed)
        const ending = { bucket: '_sessions', delete: session.id } as const
        await identity.directory.write([ending], { user: session.userId, note })
        return result
      })
    }
  }),
  defineOperation({
    name: 'identity.changePassword',
    tier: 'admin',
    resource: userIn('userId'),
    details: ['userId'],
    accessLevel: 'session',
    isChange: true,
    request: Type.Object({ userId: Name, currentPassword: Credential, newPassword: Credential }),
    async run (context, r) {
      const { server, client, grant } = context
      const begun = await accounts(server).users.changePassword(
        grant, r.userId, r.currentPassword, r.newPassword, client.origin
      )
      logIn(context, begun)
      return { changed: true }
    }
  })
]

function sessionOf ({ session }: Principal): IdentitySession {
  if (session instanceof IdentitySession) return session
  throw loginRequired()
}

/** The particulars of a login. */
interface LoginSettings {
  /** That of the revocations when the login began. @default the present one */
  readonly mark?: number
  /** Whether the client asks to be told of the end of its session. */
  readonly isNotified?: boolean | undefined
}

/**
 * Logs the client in under a new session and returns the reply.
 * @throws `SESSION_REVOKED` when the user was revoked or the client has gone while the session was written
 */
function logIn (
  { server, client, grant }: OperationContext, { token, session }: NewSession,
  { mark = server.revocations.mark, isNotified }: LoginSettings = {}
): object {
  const { principal, note } = grant
  const { directory } = accounts(server)
  const { userId, expiresAt } = session
  if (!principal.isOpen || session.state !== 'live' || server.revocations.bars(session, mark)) {
    directory.endSessions([session.id], { user: userId, note })
    throw userRevoked()
  }
  try {
    client.logIn(session, isNotified)
  } catch (error) {
    // The user has too many connections: the client must not keep the token.
    directory.endSessions([session.id], { user: userId, note })
    throw error
  }
  const { roles } = session
  const user = directory.user(userId)
  const { displayName } = user ?? {}
  return {
    token,
    expiresAt,
    user: {
      id: userId,
      username: user?.username ?? SUPERADMIN_ID,
      ...(displayName != null && { displayName }),
      roles
    }
  }
}
