import type { AuditTrail } from '../audit/trail.js'
import type { Authorizer } from '../permissions/authorizer.js'
import type { Session } from '../protocol/session.js'
import type { Authenticator } from '../auth/authenticator.js'
import { runInNextTick, type Clock } from '../util/clock.js'
import {
  CLOSE_TIMEOUT_MS,
  closeCauseOf,
  closeCauses,
  closeReasons,
  type CloseReason
} from '../protocol/close-codes.js'
import { AddressQuota, type ConnectionQuota } from '../limits/connection-quota.js'
import type { Rejections } from '../limits/rejections.js'
import { SubscriptionQuota } from '../limits/subscription-quota.js'
import type { ClientSocket } from './socket.js'
import type { ConnectionsOptions } from './connection-options.js'
import type { Log } from '../util/log.js'
import { Waiters } from '../util/waiters.js'
import { Connection, type ConnectionHost } from './connection.js'
import type { Upgrade } from '../handshake/upgrade.js'
import type { LiveQueries } from '../subscriptions/live-queries.js'
import { Counters } from '../util/counters.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import { Heartbeat } from './heartbeat.js'
import { UnauthenticatedInboxes } from './inbox.js'
import type { ConnectionInfo } from '../operations/server-info.js'
import type { OutboxLimits } from './outbox.js'
import type { PresenceService } from './presence-service.js'
import type { RefusalLog } from './refusal-log.js'

let lastId = 0

/** The form of the ids of connections, with the number that rises. */
export const CONNECTION_ID = /^conn-(\d{1,15})$/

/** The parts that admit, identify and record the clients of a service. */
export interface ConnectionsParts {
  readonly log: Log
  readonly clock: Clock
  readonly trail: AuditTrail | undefined
  readonly requiresAuth: boolean
  readonly authorizer: Authorizer
  readonly authenticator: Authenticator | undefined
  readonly isRevoked: (userId: string) => boolean
  readonly connectionQuota: ConnectionQuota
  readonly liveQueries: LiveQueries
  readonly rejections: Rejections
  readonly refusals: RefusalLog
  readonly presences: PresenceService
}

/** All connections of a service, with what they share: limits, heartbeat, deadlines. */
export class Connections implements ConnectionHost {
  readonly clock: Clock
  readonly quota: SubscriptionQuota
  readonly liveQueries: LiveQueries
  readonly authorizer: Authorizer
  readonly authenticator: Authenticator | undefined
  readonly isRevoked: (userId: string) => boolean
  readonly presences: PresenceService
  readonly outboxLimits: OutboxLimits
  readonly maxPayloadBytes: number
  readonly maxUnauthenticatedPayloadBytes: number
  readonly unauthenticatedInboxes: UnauthenticatedInboxes
  readonly requiresAuth: boolean
  readonly heartbeatMs: number
  readonly idempotencyWindowMs: number
  readonly trail: AuditTrail | undefined
  readonly stalled: DeadlineQueue<Connection>
  readonly closing: DeadlineQueue<Connection>
  dispatch: ConnectionHost['dispatch'] = () => undefined
  readonly closeCounters = new Counters(closeCauses)
  readonly #connectionQuota: ConnectionQuota
  /** Connections that were closed before a login, and whose socket has not ended yet. */
  readonly #closingUnauthenticated = new Set<Connection>()
  /** Connections whose client must log in before the deadline. */
  readonly #unauthenticated: DeadlineQueue<Connection>
  readonly #log: Log
  readonly #refusals: RefusalLog
  readonly #heartbeat: Heartbeat
  readonly #connections = new Set<Connection>()
  readonly #addressQuota: AddressQuota
  #authenticated = 0
  readonly #emptied = new Waiters()

  constructor (options: ConnectionsOptions, parts: ConnectionsParts) {
    const { log, clock, trail, requiresAuth, authorizer, authenticator, isRevoked } = parts
    const { connectionQuota, liveQueries, rejections } = parts
    const { maxBufferedBytes, highWaterMark, drainTimeoutMs } = options.backpressure
    this.clock = clock
    this.quota = new SubscriptionQuota(options.connectionLimits, rejections)
    this.liveQueries = liveQueries
    this.outboxLimits = { maxBufferedBytes, markBytes: maxBufferedBytes * highWaterMark }
    this.maxPayloadBytes = options.maxPayloadBytes
    this.maxUnauthenticatedPayloadBytes = Math.min(
      options.maxPayloadBytes,
      options.connectionLimits.maxUnauthenticatedPayloadBytes
    )
    this.unauthenticatedInboxes = new UnauthenticatedInboxes(this.maxUnauthenticatedPayloadBytes)
    this.stalled = new DeadlineQueue(
      drainTimeoutMs,
      clock,
      connection => { connection.close(closeReasons.slowConsumer) }
    )
    this.closing = new DeadlineQueue(CLOSE_TIMEOUT_MS, clock, connection => { connection.terminate() })
    this.requiresAuth = requiresAuth
    this.heartbeatMs = options.heartbeat.intervalMs
    this.idempotencyWindowMs = options.idempotency.windowMs
    this.trail = trail
    this.authorizer = authorizer
    this.authenticator = authenticator
    this.isRevoked = isRevoked
    this.presences = parts.presences
    this.#connectionQuota = connectionQuota
    this.#unauthenticated = new DeadlineQueue(
      options.loginTimeoutMs,
      clock,
      connection => { connection.close(closeReasons.loginTimeout) }
    )
    this.#log = log
    this.#refusals = parts.refusals
    this.#addressQuota = new AddressQuota(options.maxConnectionsPerIp, rejections)
    this.#heartbeat = new Heartbeat(options.heartbeat, clock)
  }

  /** Sets the handler of frames. To be called before the first connection is accepted. */
  start (dispatch: ConnectionHost['dispatch']): void {
    this.dispatch = dispatch
  }

  /** The number of accepted connections whose socket is open or closing. */
  get size (): number {
    return this.#connections.size
  }

  /** The number of connections with a session. */
  get authenticated (): number {
    return this.#authenticated
  }

  get all (): Connection[] {
    return [...this.#connections]
  }

  /** Bytes that wait to be sent: of all connections together, and the most of a single one. */
  get queued (): { allBytes: number, largestBytes: number } {
    let [allBytes, largestBytes] = [0, 0]
    for (const { flow: { queuedBytes } } of this.#connections) {
      allBytes += queuedBytes
      largestBytes = Math.max(largestBytes, queuedBytes)
    }
    return { allBytes, largestBytes }
  }

  get infos (): ConnectionInfo[] {
    return [...this.#connections].map(connection => connection.info)
  }

  /** Returns the connection of an id, which may be closing. Looks at them one by one. */
  find (id: string): Connection | undefined {
    for (const connection of this.#connections) if (connection.id === id) return connection
    return undefined
  }

  /**
   * Takes over a socket in the tick in which it opens, with the slot that `ConnectionQuota.acquire` has
   * reserved for it. Returns its connection, which is closing where the address has too many.
   */
  accept (ws: ClientSocket, upgrade: Upgrade): Connection {
    // From now on the quota follows the session of the connection.
    this.#connectionQuota.change(upgrade.session?.userId, undefined)
    const connection = new Connection(ws, `conn-${++lastId}`, upgrade, this)
    this.logOf(connection).info({ remoteAddress: upgrade.remoteAddress }, 'connection opened')
    if (!this.#addressQuota.acquire(connection.addressKey)) {
      connection.close(closeReasons.tooManyConnections)
      this.#stopCounting(connection)
      this.#connectionQuota.release()
      return connection
    }
    // A refused connection is not counted: it must not keep others out while its socket closes.
    this.#connections.add(connection)
    this.#heartbeat.add(connection)
    if (this.requiresAuth && connection.session === undefined) this.#unauthenticated.add(connection)
    connection.welcome()
    return connection
  }

  beforeSessionChange (connection: Connection, from: Session | undefined, to: Session | undefined): void {
    this.#connectionQuota.change(from?.userId, to?.userId)
    this.#authenticated += Number(to !== undefined) - Number(from !== undefined)
    if (to !== undefined) this.#unauthenticated.delete(connection)
  }

  onLoggedOut (connection: Connection): void {
    if (connection.upgrade.endsWithSession === true) {
      // Not while the session is being changed.
      runInNextTick(() => { connection.close(closeReasons.sessionEnded) })
    } else if (this.requiresAuth) {
      this.#unauthenticated.add(connection)
    }
  }

  /**
   * Applies a change of the rights of a user, or with `undefined` of all users, to their connections at once.
   * Resolves when the writes that were under way for them have ended, so that nothing is written afterwards
   * under the former rights.
   */
  async onPermissionsChanged (userId: string | undefined): Promise<void> {
    const writing: Array<Promise<unknown>> = []
    for (const connection of this.#connections) {
      if (userId !== undefined && connection.session?.userId !== userId) continue
      if (connection.writing !== undefined) writing.push(connection.writing)
      connection.principal.onPermissionsChanged()
    }
    await Promise.allSettled(writing)
  }

  /** Returns the connections with a session that matches. */
  withSession (matches: (session: Session) => boolean): Connection[] {
    return [...this.#connections].filter(({ session }) => session !== undefined && matches(session))
  }

  /** Resolves when no connection is left. */
  async empty (): Promise<void> {
    if (this.#connections.size === 0) return
    await this.#emptied.wait()
  }

  /** Resolves when every request that has arrived is answered. */
  async settled (): Promise<void> {
    await Promise.all([...this.#connections].map(async connection => { await connection.flow.settled() }))
  }

  closeAll (reason: CloseReason): void {
    for (const connection of this.#connections) connection.close(reason)
  }

  /** Stops all timers: no deadline of a connection that is left is enforced any more. */
  stop (): void {
    this.#heartbeat.stop()
    this.#unauthenticated.clear()
    this.stalled.clear()
    this.closing.clear()
  }

  onStopped (connection: Connection, ending: string | number, wasLoggedIn: boolean): void {
    this.closeCounters.count(closeCauseOf(ending))
    this.#heartbeat.delete(connection)
    this.#unauthenticated.delete(connection)
    this.stalled.delete(connection)
    // A user may connect again at once. An unauthenticated client counts until its socket has ended, since
    // only the client delays that.
    if (wasLoggedIn) this.#connectionQuota.stop(undefined)
    else this.#closingUnauthenticated.add(connection)
  }

  onClosed (connection: Connection, code: number): void {
    this.closing.delete(connection)
    this.#refusals.forget(connection.id)
    this.logOf(connection).info(
      { code, durationMs: this.clock.now() - connection.connectedAt },
      'connection closed'
    )
    this.#stopCounting(connection)
    if (!this.#connections.delete(connection)) return
    this.#connectionQuota.release()
    this.#addressQuota.release(connection.addressKey)
    if (this.#connections.size > 0) return
    this.#emptied.release()
  }

  #stopCounting (connection: Connection): void {
    if (this.#closingUnauthenticated.delete(connection)) this.#connectionQuota.stop(undefined)
  }

  logOf (connection: Connection): Log {
    return this.#log.child({ reqId: connection.upgrade.requestId, connectionId: connection.id })
  }
}
