import type { Session } from '../protocol/session.js'
import type { ConnectionAudit } from '../audit/connection-audit.js'
import type { Log } from '../util/log.js'
import type { Connection } from './connection.js'
import type { DeadlineQueue } from '../util/deadline-queue.js'
import type { UnauthenticatedInboxes } from './inbox.js'
import type { OutboxLimits } from './outbox.js'
import type { PrincipalHost } from './principal.js'

/** What a connection needs from the service: one object for all of them. */
export interface ConnectionHost extends PrincipalHost {
  /** What the welcome says. */
  readonly requiresAuth: boolean
  readonly outboxLimits: OutboxLimits
  readonly maxPayloadBytes: number
  /** Of a client that must log in and never has. */
  readonly maxUnauthenticatedPayloadBytes: number
  readonly unauthenticatedInboxes: UnauthenticatedInboxes
  readonly audit: ConnectionAudit | undefined
  /** Connections whose client has stopped reading. */
  readonly stalled: DeadlineQueue<Connection>
  /** Connections whose close frame is on its way. */
  readonly closing: DeadlineQueue<Connection>
  dispatch: (text: string, connection: Connection) => Promise<void> | undefined
  /**
   * Somebody is about to log in on the connection, or out. @throws `RATE_LIMITED` when the user has too many
   * connections
   */
  beforeSessionChange: (connection: Connection, from: Session | undefined, to: Session | undefined) => void
  /** Nobody is logged in on the connection any more. */
  onLoggedOut: (connection: Connection) => void
  /**
   * The connection takes no more requests; `ending` is what `Endings` count, `wasLoggedIn` whether somebody
   * was until now.
   */
  onStopped: (connection: Connection, ending: string | number, wasLoggedIn: boolean) => void
  /** The socket has ended. */
  onClosed: (connection: Connection, code: number) => void
  /** The logger of a connection, made when there is something to log: an idle client has none. */
  logOf: (connection: Connection) => Log
}
