import type { Grant } from '../permissions/grant.js'
import type { NoexServerError } from '../protocol/errors.js'
import type { Origin, Session } from '../protocol/session.js'
import type { ConnectionDetails, ConnectionInfo, Refusal } from './server-info.js'

/** Conditions that connections must meet; those that are absent do not filter. */
export interface ConnectionFilter {
  /** The id of the user, or the beginning of its name, in any case. */
  readonly user?: string | undefined
  /** The beginning of the address. */
  readonly address?: string | undefined
  /** The name of a query that the connection watches, or `find in <bucket>` for a search. */
  readonly query?: string | undefined
}

/** A page of connections that is asked for. */
export interface ConnectionPageRequest extends ConnectionFilter {
  readonly limit: number
  /** The id of a connection, which may have ended: the page begins with those that came after it. */
  readonly after?: string | undefined
}

/** A page of connections, in the order of their arrival. */
export interface ConnectionPage {
  readonly connections: readonly ConnectionInfo[]
  /** Whether connections that match follow the page. */
  readonly more: boolean
  /** The number of all connections that match. */
  readonly total: number
}

/** The connections of a service, as its operators see them. Takes long lists in slices. */
export interface ConnectionList {
  readonly all: () => Promise<readonly ConnectionInfo[]>
  readonly page: (request: ConnectionPageRequest) => Promise<ConnectionPage>
  /** Returns what is known of one connection; `undefined` where there is none of this id. */
  readonly details: (connectionId: string) => ConnectionDetails | undefined
}

/** The newest refusals of this process. */
export interface RefusalList {
  /** Returns at most `limit` refusals, newest first. */
  readonly newest: (limit: number) => readonly Refusal[]
}

/** A client that was refused something. */
export interface RefusedClient {
  readonly origin: Origin
  readonly principal: { readonly session: Session | undefined }
}

/** Keeps refusals. */
export interface RefusalRecorder {
  /** Records the answer with an error to a request; `operation` is `null` where it names none. */
  readonly add: (client: RefusedClient, operation: string | null, error: NoexServerError) => void
}

/** The sessions that are to end: those of a user, or of all who have a role. */
export type RevokedSubject = { readonly userId: string } | { readonly role: string }

/** The outcome of a revocation. */
export interface Revocation {
  /** The number of sessions that have ended. */
  readonly sessions: number
  /** The number of connections that are closed. */
  readonly connections: number
}

/** The request of an operator. */
export interface OperatorRequest {
  readonly client: { readonly id: string, readonly origin: Origin }
  readonly grant: Grant
}

/** Ends connections, sessions and the service for operators. Each act leaves one entry in the audit. */
export interface OperatorActs {
  /** Closes a connection; `reason` is told to its client. Returns whether there was one to close. */
  readonly close: (asked: OperatorRequest, connectionId: string, reason: string | undefined) => boolean
  /**
   * Ends sessions and closes their connections, the asking one after its reply.
   * @throws `NOT_FOUND` for an account or role that does not exist, `FORBIDDEN` where only a superadmin may
   * do it, `RATE_LIMITED` where too many users are revoked
   */
  readonly revoke: (asked: OperatorRequest, subject: RevokedSubject) => Promise<Revocation>
  /** Begins the shutdown, unless it has begun. `graceMs`: the time that clients have to leave. */
  readonly drain: (asked: OperatorRequest, graceMs: number | undefined) => void
}
