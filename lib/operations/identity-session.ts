import { Type } from 'typebox'
import type { Client } from '../permissions/client.js'
import { NoexServerError } from '../protocol/errors.js'
import { IdentitySession, type NewSession } from '../identity/session-service.js'
import { SUPERADMIN_ID } from '../identity/system-roles.js'
import type { NoteOf } from '../store/row-scope.js'
import { Name } from '../protocol/fields.js'
import { accounts, defineOperation, userIn, type Operation, type ServerContext } from './operation.js'

/** What a client types to log in: as long as somebody could want, and no longer. */
const Credential = Type.String({ minLength: 1, maxLength: 4_096 })

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
    request: Type.Object({ username: Credential, password: Credential }),
    async run (services, { username, password }, { client, note }) {
      const { logins } = accounts(services)
      const isHere = (): boolean => client.open
      const begun = await logins.withPassword(username, password, client.origin, isHere, note)
      return logIn(services, client, begun, note)
    }
  }),
  defineOperation({
    name: 'identity.loginWithSecret',
    tier: 'admin',
    accessLevel: 'everyone',
    request: Type.Object({ secret: Credential }),
    async run (services, { secret }, { client, note }) {
      const { logins } = accounts(services)
      const isHere = (): boolean => client.open
      const begun = await logins.withSecret(secret, client.origin, isHere, note)
      return logIn(services, client, begun, note)
    }
  }),
  defineOperation({
    name: 'identity.logout',
    tier: 'admin',
    accessLevel: 'session',
    request: Type.Object({}),
    async run (services, _request, { client, note }) {
      const session = sessionOf(client)
      client.logOut()
      await accounts(services).sessions.end(session, note)
      return { loggedOut: true }
    }
  }),
  defineOperation({
    name: 'identity.whoami',
    accessLevel: 'session',
    request: Type.Object({}),
    async run (_services, _request, { client }) {
      const { userId, roles, expiresAt } = sessionOf(client)
      return { authenticated: true, userId, roles, expiresAt }
    }
  }),
  defineOperation({
    name: 'identity.refreshSession',
    tier: 'admin',
    accessLevel: 'session',
    request: Type.Object({}),
    async run (services, _request, grant) {
      const identity = accounts(services)
      const { client, note } = grant
      const session = sessionOf(client)
      return await identity.directory.exclusive(async () => {
        grant.assertStillAllowed()
        const options = { replaced: session.id, note }
        const renewed = await identity.sessions.begin(session.userId, client.origin, options)
        // Before the old one ends, so that the client is somebody all the time.
        const result = logIn(services, client, renewed, note)
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
    request: Type.Object({ userId: Name, currentPassword: Credential, newPassword: Credential }),
    async run (services, r, grant) {
      const { client, note } = grant
      const { users } = accounts(services)
      const begun = await users.changePassword(
        grant, r.userId, r.currentPassword, r.newPassword, client.origin
      )
      logIn(services, client, begun, note)
      return { changed: true }
    }
  })
]

function sessionOf ({ session }: Client): IdentitySession {
  if (session instanceof IdentitySession) return session
  throw new NoexServerError('UNAUTHORIZED', 'Authentication required')
}

/**
 * Makes a new session the client's, unless it may not be by now: the user may be revoked or the client gone
 * while the session is written.
 */
function logIn (
  services: ServerContext, client: Client, { token, session }: NewSession, note: NoteOf | undefined
): object {
  const { directory } = accounts(services)
  const { userId, expiresAt } = session
  if (!client.open || session.state !== 'live' || services.revocations.has(userId)) {
    directory.endSessions([session.id], { user: userId, note })
    throw new NoexServerError('SESSION_REVOKED', 'This user cannot log in at the moment')
  }
  try {
    client.logIn(session)
  } catch (error) {
    // The user has too many connections: nobody is to keep the token.
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
