import { requireRole, requireUser, isSuperadmin } from '../identity/authority.js'
import type { Identity } from '../identity/identity.js'
import { SUPERADMIN_ID } from '../identity/system-roles.js'
import { userOf } from '../audit/request-audit.js'
import type { AuditTrail } from '../audit/trail.js'
import type { Revocations } from '../auth/revocations.js'
import type { Connections } from '../connection/connections.js'
import type {
  OperatorActs as Acts, OperatorRequest, Revocation, RevokedSubject
} from '../operations/server-service.js'
import { NoexServerError } from '../protocol/errors.js'
import type { SessionRevoker } from './session-revoker.js'
import type { Shutdown } from './shutdown.js'

/** Time after which a client can try again to revoke when too many users are, in milliseconds. */
const RETRY_AFTER_MS = 60_000

/** Characters of the ids of revoked users in one audit entry; the others are counted. */
const MAX_LISTED_CHARS = 4_000

/** The parts of the service that acts work with. */
interface ActsParts {
  readonly connections: Connections
  readonly identity: Identity | undefined
  readonly revocations: Revocations
  readonly trail: AuditTrail | undefined
}

type Details = Readonly<Record<string, unknown>>

/** Does what operators ask for over the wire. */
export class OperatorActs implements Acts {
  readonly #parts: ActsParts
  #sessionRevoker: SessionRevoker | undefined
  #shutdown!: Shutdown

  constructor (parts: ActsParts) {
    this.#parts = parts
  }

  /**
   * Sets the parts that end things, which work with requests themselves. To be called before the first
   * request. `sessionRevoker` is `undefined` where there are no sessions.
   */
  start (sessionRevoker: SessionRevoker | undefined, shutdown: Shutdown): void {
    this.#sessionRevoker = sessionRevoker
    this.#shutdown = shutdown
  }

  close (asked: OperatorRequest, connectionId: string, reason: string | undefined): boolean {
    const connection = this.#parts.connections.find(connectionId)
    // The close ends the session.
    const { session, upgrade } = connection ?? {}
    const isClosed = connection?.forcedClose.closeByOperator({
      text: reason, isRecorded: true, afterReply: connection.id === asked.client.id
    })
    if (upgrade === undefined || isClosed !== true) {
      this.#record(asked, 'server.close', `connection:${connectionId}`, { closed: false })
      return false
    }
    this.#record(asked, 'server.close', `connection:${connectionId}`, {
      ...(reason !== undefined && { reason }),
      user: session?.userId ?? null,
      ...(session?.userName !== undefined && { name: session.userName }),
      address: upgrade.remoteAddress
    })
    return true
  }

  async revoke (asked: OperatorRequest, subject: RevokedSubject): Promise<Revocation> {
    const { revocations } = this.#parts
    const sessionRevoker = this.#sessionRevoker
    if (sessionRevoker === undefined) {
      this.#record(asked, 'server.revoke', nameOf(subject), { sessions: 0, connections: 0 })
      return { sessions: 0, connections: 0 }
    }
    this.#requireAuthority(asked, subject)
    if (revocations.isFull) {
      const details = { retryAfterMs: RETRY_AFTER_MS }
      throw new NoexServerError('RATE_LIMITED', 'Too many users are revoked', details)
    }
    const { user, note } = asked.grant
    const { users, sessions, connections, deleted } = sessionRevoker.end(subject, true, { user, note })
    const revoked = { sessions, connections: connections.length }
    this.#record(asked, 'server.revoke', nameOf(subject), {
      ...revoked, ...('role' in subject ? listed(users) : this.#named(subject.userId))
    })
    await Promise.all([sessionRevoker.close(connections, asked.client.id), deleted])
    return revoked
  }

  /** Returns the name of a user, where it is known, for an entry. */
  #named (userId: string): Details {
    const username = this.#parts.identity?.directory.user(userId)?.username
    return username === undefined ? {} : { name: username }
  }

  drain (asked: OperatorRequest, gracePeriodMs: number | undefined): void {
    const shutdown = this.#shutdown
    if (shutdown.hasBegun) {
      this.#record(asked, 'server.drain', '*', { hasBegun: true })
      return
    }
    shutdown.begin({ gracePeriodMs }, details => {
      this.#record(asked, 'server.drain', '*', { ...details })
    })
  }

  /** Allows only a superadmin to end the sessions of one, as it is with changes of accounts. */
  #requireAuthority ({ grant }: OperatorRequest, subject: RevokedSubject): void {
    const { identity } = this.#parts
    if (identity === undefined) return
    const { directory } = identity
    let concerned: string[]
    if ('userId' in subject) {
      if (subject.userId !== SUPERADMIN_ID) requireUser(directory, subject.userId)
      concerned = [subject.userId]
    } else {
      const role = requireRole(directory.roleByName(subject.role), subject.role)
      concerned = [
        ...directory.holdersOf(role.id).map(({ userId }) => userId),
        ...identity.usersWithSessions(({ roles }) => roles.includes(role.name))
      ]
    }
    const { session } = grant.principal
    if (session !== undefined && isSuperadmin(session)) return
    if (concerned.some(userId => directory.isSuperadmin(userId))) {
      throw new NoexServerError('FORBIDDEN', 'Only a superadmin may end the sessions of a superadmin')
    }
  }

  /** Records an act: in the entry of its request, or where that has none, in one of its own. */
  #record (
    { client, grant }: OperatorRequest, operation: string, resource: string, details: Details
  ): void {
    if (grant.entry !== undefined) {
      grant.entry.addDetails(details)
      return
    }
    const { connectionId, remoteAddress } = client.origin
    this.#parts.trail?.note({
      // The session may have been ended by the act itself.
      ...(userOf(grant) ?? { userId: grant.user ?? null }),
      sessionId: connectionId,
      operation,
      resource,
      details,
      remoteAddress
    })
  }
}

/** Returns how the audit names the subject. */
function nameOf (subject: RevokedSubject): string {
  return 'userId' in subject ? `user:${subject.userId}` : `role:${subject.role}`
}

/** Returns as many ids as an entry has room for, and the number of the others. */
function listed (users: ReadonlySet<string>): Details {
  const shown: string[] = []
  let chars = 0
  for (const user of users) {
    chars += user.length
    if (chars > MAX_LISTED_CHARS) break
    shown.push(user)
  }
  return { users: shown, ...(shown.length < users.size && { others: users.size - shown.length }) }
}
