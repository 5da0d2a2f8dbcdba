import type { AuditTrail } from '../audit/trail.js'
import type { Revocations } from '../auth/revocations.js'
import type { Calls } from '../connection/calls.js'
import type { Connection } from '../connection/connection.js'
import type { Connections } from '../connection/connections.js'
import type { Identity } from '../identity/identity.js'
import { REVOKED_REASON } from '../protocol/close-codes.js'
import type { Session } from '../protocol/session.js'
import type { Cause } from '../store/row-scope.js'
import type { Log } from '../util/log.js'
import { isTurnOver, nextTurn } from '../util/slice.js'

/** The parts of the service that have sessions. */
interface SessionParts {
  readonly calls: Calls
  readonly connections: Connections
  readonly identity: Identity | undefined
  readonly revocations: Revocations
  readonly trail: AuditTrail | undefined
  readonly log: Log
}

/** The sessions to end: those that match every given property. */
export interface SessionFilter {
  readonly userId?: string | undefined
  readonly role?: string | undefined
}

/** Sessions that have ended, whose connections are yet to be closed. */
export interface EndedSessions {
  readonly users: ReadonlySet<string>
  readonly sessions: number
  readonly connections: readonly Connection[]
  /** Resolves when the store has no more of them, or has failed, which the log says. */
  readonly deleted: Promise<void>
}

type User = Pick<Session, 'userId' | 'roles'>

/** Ends sessions before their time, and bars their users from logging in for a while. */
export class SessionRevoker {
  readonly #parts: SessionParts

  constructor (parts: SessionParts) {
    this.#parts = parts
  }

  /** Ends sessions for the application, which the audit records user by user. Returns the connections. */
  revoke (filter: SessionFilter): number {
    const { trail } = this.#parts
    const { users, connections } = this.end(filter)
    for (const { forcedClose } of connections) forcedClose.closeRevoked(REVOKED_REASON, false)
    for (const user of users) trail?.note({ operation: 'session.revoke', resource: `user:${user}` })
    return connections.length
  }

  /**
   * Ends all sessions that match, in this step; what is left to do is `close`. `isRecorded`: the audit has an
   * entry for all of it. `userId` is barred also when it has no session.
   */
  end ({ userId, role }: SessionFilter, isRecorded = false, cause: Cause = {}): EndedSessions {
    const { calls, connections, identity, revocations, log } = this.#parts
    const matches = (user: User): boolean =>
      (userId === undefined || user.userId === userId) && (role === undefined || user.roles.includes(role))
    const open = connections.withSession(matches)
    const users = new Set(open.map(({ session }) => (session as Session).userId))
    for (const user of identity?.usersWithSessions(matches) ?? []) users.add(user)
    if (userId !== undefined && role === undefined) revocations.add(userId)
    // Before their sessions end, so that no user can log in again meanwhile.
    for (const user of users) revocations.add(user)
    const ended = open.filter(({ forcedClose }) => forcedClose.endSession(isRecorded))
    const called = calls.revoke(matches)
    for (const user of called) {
      users.add(user)
      revocations.add(user)
    }
    // A login that has begun may find a session only now.
    if (userId === undefined) revocations.addRole(role)
    const { count, deleted } = identity?.endSessionsOf(users, cause) ??
      { count: ended.length + called.length, deleted: Promise.resolve() }
    log.info({ userId, role, connections: ended.length }, 'sessions revoked')
    return { users, sessions: count, connections: ended, deleted }
  }

  /** Closes the connections of ended sessions, in slices; `own` is that of the client that has asked. */
  async close (connections: readonly Connection[], own: string): Promise<void> {
    for (const { id, forcedClose } of connections) {
      forcedClose.closeRevoked(REVOKED_REASON, id === own)
      if (isTurnOver()) await nextTurn()
    }
  }
}
