import type { RawData } from 'ws'
import { ConnectionAudit } from '../audit/connection-audit.js'
import type { AuditTrail } from '../audit/trail.js'
import { addressKey } from '../handshake/client-address.js'
import type { Upgrade } from '../handshake/upgrade.js'
import type { Operation } from '../operations/operation.js'
import type { ConnectionInfo } from '../operations/server-info.js'
import { closeReasons, type CloseReason } from '../protocol/close-codes.js'
import { encodeNotice } from '../protocol/encode.js'
import { extensions, PROTOCOL_VERSION, type NoticeMessage, type SessionEnd } from '../protocol/messages.js'
import type { Origin, Session } from '../protocol/session.js'
import type { EventSubscriptions } from '../subscriptions/event-subscriptions.js'
import type { QuerySubscriptions } from '../subscriptions/query-subscriptions.js'
import type { DeadlineQueue } from '../util/deadline-queue.js'
import type { Log } from '../util/log.js'
import { ClientPrincipal, type PrincipalHost, type SessionOwner } from './client-principal.js'
import { logFailure, type RequestClient } from './dispatch.js'
import { ForcedClose } from './forced-close.js'
import type { Pingable } from './heartbeat.js'
import type { UnauthenticatedInboxes } from './inbox.js'
import { MessageFlow, type FlowOwner } from './message-flow.js'
import type { OutboxLimits } from './outbox.js'
import {
  FRAME_TOO_LONG, forgetUpgrade, listen, setLimits, streamOf, type ClientSocket, type SocketListener
} from './socket.js'

/** The parts of the service that connections work with: one object for all connections. */
export interface ConnectionHost extends PrincipalHost {
  /** Whether a client must log in; sent with the welcome message. */
  readonly requiresAuth: boolean
  /** Time between two pings, in milliseconds; sent with the welcome message. */
  readonly heartbeatMs: number
  /** Time for which idempotency keys are remembered, in milliseconds; sent with the welcome message. */
  readonly idempotencyWindowMs: number
  readonly outboxLimits: OutboxLimits
  readonly maxPayloadBytes: number
  /** The limit for a client that must log in and has not yet. */
  readonly maxUnauthenticatedPayloadBytes: number
  readonly unauthenticatedInboxes: UnauthenticatedInboxes
  readonly trail: AuditTrail | undefined
  /** Connections whose client has stopped reading. */
  readonly stalled: DeadlineQueue<Connection>
  /** Connections whose close frame is on its way. */
  readonly closing: DeadlineQueue<Connection>
  dispatch: (text: string, connection: Connection) => Promise<void> | undefined
  /** Called before each login and logout. @throws `RATE_LIMITED` when the user has too many connections */
  beforeSessionChange: (connection: Connection, from: Session | undefined, to: Session | undefined) => void
  /** Called when the connection has become anonymous. */
  onLoggedOut: (connection: Connection) => void
  /**
   * Called when the connection takes no more requests; `cause` is one that `closeCauseOf` takes,
   * `wasLoggedIn` tells whether it had a session until now.
   */
  onStopped: (connection: Connection, cause: string | number, wasLoggedIn: boolean) => void
  /** Called when the socket has ended. */
  onClosed: (connection: Connection, code: number) => void
  /** Returns the logger of a connection, made when there is something to log: an idle client has none. */
  logOf: (connection: Connection) => Log
}

/**
 * The connection of one client, from open to close. It must be constructed in the tick in which the
 * socket opens, so that no frame is missed. Its size is the cost of an idle client: listeners are shared,
 * and nothing refers to the upgrade request.
 */
export class Connection implements RequestClient, FlowOwner, SessionOwner, Pingable, SocketListener {
  readonly id: string
  readonly upgrade: Upgrade
  readonly addressKey: string
  readonly connectedAt: number
  readonly flow: MessageFlow
  readonly principal: ClientPrincipal
  isOpen = true
  isAlive = true
  answering: Operation | undefined
  requests = 0
  writing: Promise<unknown> | undefined
  readonly #host: ConnectionHost
  readonly #ws: ClientSocket
  #log: Log | undefined
  #connectionAudit: ConnectionAudit | undefined
  #ending: AbortController | undefined
  #forcedClose: ForcedClose | undefined
  /** Whether the client must log in and has not yet. */
  #isUnauthenticated: boolean
  /** Whether the client has asked for the notice that its session has ended. */
  #isNotified = false
  /** Whether the audit has recorded the close: a sink may close the connection again meanwhile. */
  #isCloseRecorded = false

  constructor (ws: ClientSocket, id: string, upgrade: Upgrade, host: ConnectionHost) {
    const stream = streamOf(ws)
    if (stream === undefined) throw new Error('the WebSocket has no open stream')
    this.id = id
    this.upgrade = upgrade
    this.addressKey = addressKey(upgrade.remoteAddress)
    this.connectedAt = host.clock.now()
    this.#host = host
    this.#ws = ws
    this.#isUnauthenticated = host.requiresAuth && upgrade.session === undefined
    const unauthenticated = this.#isUnauthenticated ? host.unauthenticatedInboxes : undefined
    this.flow = new MessageFlow(this, ws, stream, host.outboxLimits, unauthenticated)
    this.principal = new ClientPrincipal(this, host, this.flow.pushTarget)
    forgetUpgrade(ws)
    setLimits(ws, this.#isUnauthenticated ? host.maxUnauthenticatedPayloadBytes : host.maxPayloadBytes)
    listen(ws, this)
    if (upgrade.session !== undefined) this.logIn(upgrade.session)
  }

  get isPaused (): boolean {
    return this.flow.isPaused
  }

  get isConnected (): true {
    return true
  }

  get origin (): Origin {
    const { remoteAddress, headers } = this.upgrade
    return { remoteAddress, connectionId: this.id, headers }
  }

  /** Made on first use: few operations need it. */
  get ended (): AbortSignal {
    this.#ending ??= new AbortController()
    if (!this.isOpen) this.#ending.abort()
    return this.#ending.signal
  }

  get log (): Log {
    this.#log ??= this.#host.logOf(this)
    return this.#log
  }

  get session (): Session | undefined {
    return this.principal.session
  }

  get subscriptions (): QuerySubscriptions {
    return this.principal.subscriptions
  }

  get eventSubscriptions (): EventSubscriptions {
    return this.principal.eventSubscriptions
  }

  get info (): ConnectionInfo {
    const { id, upgrade, connectedAt, principal, flow, requests } = this
    return {
      connectionId: id,
      remoteAddress: upgrade.remoteAddress,
      connectedAt,
      ...principal.info,
      bytesQueued: flow.queuedBytes,
      requests
    }
  }

  logIn (session: Session, isNotified = false): void {
    if (!this.isOpen) return
    this.principal.change(session)
    this.#isNotified ||= isNotified
  }

  logOut (): void {
    this.principal.change(undefined)
  }

  beforeSessionChange (from: Session | undefined, to: Session | undefined): void {
    this.#host.beforeSessionChange(this, from, to)
    if (to !== undefined && this.#isUnauthenticated) {
      // These limits stay when the session ends: the client may not have noticed yet.
      this.#isUnauthenticated = false
      setLimits(this.#ws, this.#host.maxPayloadBytes)
      this.flow.authenticate()
    }
    // A revoked client cannot log in any more.
    const isRevoked = this.#forcedClose?.isRevoked === true
    if (to === undefined && from !== undefined && !isRevoked) this.#host.onLoggedOut(this)
  }

  onSessionEnded (reason: SessionEnd): void {
    if (!this.#isNotified) return
    const tell = (): void => {
      if (this.session === undefined) this.notify({ type: 'system', event: 'session_ended', reason })
    }
    // A request about the session itself may put another in its place.
    if (this.answering?.accessLevel === 'session') this.flow.afterReplies(tell)
    else tell()
  }

  /** Ends the session with its subscriptions at once, and closes the connection with `session_revoked`. */
  revoke (reason: string): void {
    this.forcedClose.revoke(reason)
  }

  /** Made on first use: few connections are closed so. */
  get forcedClose (): ForcedClose {
    this.#forcedClose ??= new ForcedClose(this)
    return this.#forcedClose
  }

  /** Writes the first message of every connection, at once. PROTOCOL.md, "Welcome". */
  welcome (): void {
    const { requiresAuth, heartbeatMs, maxPayloadBytes, idempotencyWindowMs, clock } = this.#host
    this.notify({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      serverTime: clock.now(),
      requiresAuth,
      extensions,
      heartbeatMs,
      maxPayloadBytes,
      idempotencyWindowMs,
      userId: this.session?.userId
    })
    this.flow.flush()
  }

  notify (message: NoticeMessage): void {
    if (this.isOpen) this.flow.send(encodeNotice(message))
  }

  onMalformed (problem: string): void {
    this.#audit?.malformed(problem)
  }

  onRateLimited (operation: string | undefined): void {
    this.#audit?.limited(operation)
  }

  get #audit (): ConnectionAudit | undefined {
    const { trail } = this.#host
    this.#connectionAudit ??= trail && new ConnectionAudit(trail, this)
    return this.#connectionAudit
  }

  logFailure (error: unknown, operation: string, resource?: string): void {
    logFailure(this.log, error, operation, resource)
  }

  ping (frame: Buffer): void {
    this.flow.sendFrame(frame)
    this.flow.listen()
  }

  onTimeout (): void {
    this.close(closeReasons.heartbeatTimeout)
  }

  handle (text: string): Promise<void> | undefined {
    // A client that waits for its last reply: none of its later requests is executed.
    return this.#forcedClose?.hasBegun === true ? undefined : this.#host.dispatch(text, this)
  }

  onOverload (): void {
    this.close(closeReasons.overloaded)
  }

  /** Restarts the deadline: a client that reads a long message bit by bit is slow, but has not stopped. */
  onCongested (): void {
    this.#host.stalled.add(this)
  }

  onDrained (): void {
    this.#host.stalled.delete(this)
    this.principal.resume()
  }

  /**
   * Starts to close: nothing that still arrives is executed, subscriptions end, and the messages that have
   * been sent are followed by the close frame. The socket ends when the client agrees, or after
   * `CLOSE_TIMEOUT_MS`.
   */
  close (reason: CloseReason): void {
    if (!this.isOpen) return
    this.recordClose(reason)
    if (!this.isOpen) return
    this.#stop(reason.reason)
    this.flow.finish(() => { this.#ws.close(reason.code, reason.reason) })
    this.#host.closing.add(this)
    this.#host.logOf(this).info({ code: reason.code, reason: reason.reason }, 'closing connection')
  }

  /** Records the close once, while the session is still known; `isRecorded`: another entry tells of it. */
  recordClose (reason: CloseReason, isRecorded = false): void {
    if (this.#isCloseRecorded) return
    this.#isCloseRecorded = true
    if (!isRecorded) this.#audit?.closed(reason)
  }

  /** Ends the socket at once. */
  terminate (): void {
    this.#ws.terminate()
  }

  #stop (cause: string | number): void {
    this.isOpen = false
    const { isLoggedIn } = this.principal
    this.#connectionAudit?.end()
    this.flow.clear()
    this.principal.close()
    this.#ending?.abort()
    this.#host.onStopped(this, cause, isLoggedIn)
  }

  onMessage (data: RawData, isBinary: boolean): void {
    if (!this.isOpen) return
    this.isAlive = true
    if (isBinary) this.close(closeReasons.binaryNotSupported)
    // Copied into a string: the buffer is a view of a whole TCP chunk and would keep that in memory.
    else this.flow.receive((data as Buffer).toString(), (data as Buffer).length)
  }

  onError (error: Error): void {
    const isTooLong = (error as NodeJS.ErrnoException).code === FRAME_TOO_LONG
    const limit = isTooLong && {
      option: this.#isUnauthenticated ? 'connectionLimits.maxUnauthenticatedPayloadBytes' : 'maxPayloadBytes'
    }
    this.#host.logOf(this).info({ err: error, ...limit }, 'connection failed')
    if (!this.isOpen) return
    this.#isCloseRecorded = true
    this.#audit?.failed(error)
    if (!this.isOpen) return
    // A violation of RFC 6455: ws has sent its close frame and would wait longer for the answer.
    this.#stop('failed')
    this.#host.closing.add(this)
  }

  onClose (code: number): void {
    if (this.isOpen) this.#stop(code)
    this.#host.onClosed(this, code)
  }
}
