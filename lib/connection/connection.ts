import type { RawData, WebSocket } from 'ws'
import { addressKey } from '../handshake/client-address.js'
import { CallbackError } from '../application/application-callback.js'
import { readableError } from '../application/thrown.js'
import type { Origin, Session } from '../protocol/session.js'
import { ClientConduct } from '../audit/client-conduct.js'
import type { Log } from '../util/log.js'
import { closeReasons, type CloseReason } from '../protocol/close-codes.js'
import type { QuerySubscriptions } from '../subscriptions/query-subscriptions.js'
import type { Operation } from '../operations/operation.js'
import type { EventSubscriptions } from '../subscriptions/event-subscriptions.js'
import { encodeNotice } from '../protocol/encode.js'
import { PROTOCOL_VERSION, type NoticeMessage } from '../protocol/messages.js'
import type { ConnectionHost } from './connection-host.js'
import type { Requester } from './dispatch.js'
import { HeldReplies, type Hold, type Reply } from './held-replies.js'
import type { Pingable } from './heartbeat.js'
import { Inbox, type InboxOwner } from './inbox.js'
import type { ConnectionInfo } from '../operations/server-info.js'
import { Outbox, type OutboxOwner } from './outbox.js'
import { Principal, type PrincipalOwner } from './principal.js'
import { forgetUpgrade, setLimits, listen, streamOf, type SocketListener } from './socket.js'
import type { Upgrade } from '../handshake/upgrade.js'

/** The code of the error with which ws refuses a frame by its length, before it is read. */
const FRAME_TOO_LONG = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'

/**
 * One client, from open to close. It must be made in the tick in which the WebSocket opens, so that no frame
 * is missed. What it keeps is what an idle client costs: listeners are shared and nothing refers to the
 * upgrade request.
 */
export class Connection
implements Requester, InboxOwner, OutboxOwner, PrincipalOwner, Pingable, SocketListener {
  readonly id: string
  readonly upgrade: Upgrade
  readonly addressKey: string
  readonly connectedAt: number
  isAlive = true
  answering: Operation | undefined
  writing: Promise<unknown> | undefined
  readonly #host: ConnectionHost
  readonly #ws: WebSocket
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #principal: Principal
  /** Made when the first reply waits, as is the log when there is something to log. */
  #held: HeldReplies | undefined
  #log: Log | undefined
  #conduct: ClientConduct | undefined
  /**
   * Why the session was revoked while the request that did so was being answered: the close waits for the
   * reply.
   */
  #revoked: string | undefined
  /** Whether it must log in and never has. */
  #isUnauthenticated: boolean
  /** Whether the audit has been told that it ends. What hears of it may ask for the same again. */
  #isEnding = false
  #state: 'open' | 'closing' | 'closed' = 'open'

  constructor (ws: WebSocket, id: string, upgrade: Upgrade, host: ConnectionHost) {
    const stream = streamOf(ws)
    if (stream === undefined) throw new Error('the WebSocket has no open stream')
    this.id = id
    this.upgrade = upgrade
    this.addressKey = addressKey(upgrade.remoteAddress)
    this.connectedAt = host.clock.now()
    this.#host = host
    this.#ws = ws
    this.#isUnauthenticated = host.requiresAuth && upgrade.session === undefined
    this.#inbox = new Inbox(this, this.#isUnauthenticated ? host.unauthenticatedInboxes : undefined)
    this.#outbox = new Outbox(this, stream, host.outboxLimits)
    this.#principal = new Principal(this, host, this.#outbox)
    forgetUpgrade(ws)
    setLimits(ws, this.#isUnauthenticated ? host.maxUnauthenticatedPayloadBytes : host.maxPayloadBytes)
    listen(ws, this)
    if (upgrade.session !== undefined) this.logIn(upgrade.session)
  }

  /** Whether requests are accepted: not once a close has begun, from whichever side. */
  get open (): boolean {
    return this.#state === 'open'
  }

  get writable (): boolean {
    return this.#ws.readyState === this.#ws.OPEN
  }

  get isPaused (): boolean {
    // Its client does not read, and has a deadline of its own for that.
    return this.#ws.isPaused && this.#outbox.full
  }

  get origin (): Origin {
    const { remoteAddress, headers } = this.upgrade
    return { remoteAddress, connectionId: this.id, headers }
  }

  get log (): Log {
    this.#log ??= this.#host.logOf(this)
    return this.#log
  }

  get session (): Session | undefined {
    return this.#principal.session
  }

  get subscriptions (): QuerySubscriptions {
    return this.#principal.subscriptions
  }

  get eventSubscriptions (): EventSubscriptions {
    return this.#principal.eventSubscriptions
  }

  get version (): number {
    return this.#principal.version
  }

  /** Bytes that wait for the client. */
  get queuedBytes (): number {
    return this.#outbox.bufferedBytes
  }

  get info (): ConnectionInfo {
    return {
      connectionId: this.id,
      remoteAddress: this.upgrade.remoteAddress,
      connectedAt: this.connectedAt,
      ...this.#principal.info
    }
  }

  logIn (session: Session): void {
    if (this.open) this.#principal.change(session)
  }

  logOut (): void {
    this.#principal.change(undefined)
  }

  beforeSessionChange (from: Session | undefined, to: Session | undefined): void {
    this.#host.beforeSessionChange(this, from, to)
    if (to !== undefined && this.#isUnauthenticated) this.#authenticate()
    // Who is revoked has nobody to log in any more.
    if (to === undefined && from !== undefined && this.#revoked === undefined) this.#host.onLoggedOut(this)
  }

  /**
   * From now on as much may be sent as by any other client, also when the session has ended: the client may
   * not have noticed yet.
   */
  #authenticate (): void {
    this.#isUnauthenticated = false
    setLimits(this.#ws, this.#host.maxPayloadBytes)
    this.#inbox.authenticate()
    this.regulate()
  }

  checkExpiry (): void {
    this.#principal.checkExpiry()
  }

  consumeExpiryNotice (): boolean {
    return this.#principal.consumeExpiryNotice()
  }

  async confirm (): Promise<void> {
    await this.#principal.confirm()
  }

  /** What users may do has changed. */
  onPermissionsChanged (): void {
    this.#principal.onPermissionsChanged()
  }

  /**
   * Ends the session and its subscriptions at once, and with them the connection: the client is told not to
   * come back.
   */
  revoke (reason: string): void {
    if (!this.open || this.#revoked !== undefined) return
    this.#recordClose(closeReasons.sessionRevoked)
    if (!this.open) return
    // Whoever bars their own account is told that it worked.
    if (this.answering?.accessLevel === 'admin' || this.answering?.accessLevel === 'superadmin') {
      this.#revoked = reason
    }
    this.#principal.end()
    if (this.#revoked === undefined) this.#closeRevoked(reason)
  }

  #closeRevoked (reason: string): void {
    this.notify({ type: 'system', event: 'session_revoked', reason })
    this.close(closeReasons.sessionRevoked)
  }

  /** Sends the first message of every connection. PROTOCOL.md, "Welcome". */
  welcome (): void {
    this.notify({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      serverTime: this.#host.clock.now(),
      requiresAuth: this.#host.requiresAuth
    })
  }

  notify (message: NoticeMessage): void {
    if (this.open) this.#outbox.send(encodeNotice(message))
  }

  reply (reply: Reply, hold?: Hold): void {
    if (!this.open) return
    if (hold === undefined && this.#held?.empty !== false) {
      this.#deliver(reply)
    } else {
      this.#held ??= new HeldReplies(
        this.#host.outboxLimits.maxBufferedBytes,
        held => { this.#deliver(held) }
      )
      this.#held.add(reply, hold)
      if (this.#full) this.regulate()
    }
    this.answering = undefined
  }

  #deliver ({ text, sent, answered }: Reply): void {
    if (!this.open) return
    this.#outbox.send(text)
    sent?.()
    answered?.()
    if (this.#revoked !== undefined && this.#held?.empty !== false) this.#closeRevoked(this.#revoked)
    else if (this.#outbox.full) this.regulate()
    else if (this.#held !== undefined) this.#resumeInbox()
  }

  /** Replies that wait have left: requests that waited behind them are started. */
  #resumeInbox (): void {
    if (this.#full) return
    this.#inbox.release()
    this.regulate()
  }

  /** Whether the client must not be served for now: it does not read, or too many replies wait. */
  get #full (): boolean {
    return this.#outbox.full || this.#held?.full === true
  }

  holdPushes (): () => void {
    return this.#outbox.holdPushes()
  }

  malformed (problem: string): void {
    this.#wrong.malformed(problem)
  }

  limited (operation: string | undefined): void {
    this.#wrong.limited(operation)
  }

  get #wrong (): ClientConduct {
    this.#conduct ??= new ClientConduct(this, this.#host.audit)
    return this.#conduct
  }

  logFailure (error: unknown, operation: string, resource?: string): void {
    // A failure of a function of the application has been logged where it was called, and not for each
    // request.
    const err = readableError(error)
    this.log[err instanceof CallbackError ? 'debug' : 'error'](
      { err, operation, resource },
      'operation failed'
    )
  }

  ping (): void {
    this.notify({ type: 'ping', timestamp: this.#host.clock.now() })
    // Behind a slow request nothing is read: listen until something arrives, to tell a busy client from a
    // dead one.
    if (this.#ws.isPaused && !this.#outbox.full && !this.#inbox.overfull) this.#ws.resume()
  }

  onTimeout (): void {
    this.close(closeReasons.heartbeatTimeout)
  }

  handle (text: string): Promise<void> | undefined {
    // Nothing is executed any more for who is revoked and waits for a last reply.
    return this.#revoked === undefined ? this.#host.dispatch(text, this) : undefined
  }

  /** Reads no faster than requests are handled and replies are read. */
  regulate (): void {
    if (!this.open) return
    if (this.#full) this.#inbox.hold()
    if (this.#full || this.#inbox.full) this.#ws.pause()
    else if (this.#ws.isPaused) this.#resume()
  }

  #resume (): void {
    // Its answer to a ping may be among what has not been read: it has until the next one.
    this.isAlive = true
    this.#ws.resume()
  }

  overload (): void {
    this.close(closeReasons.overloaded)
  }

  congested (): void {
    this.#host.stalled.add(this)
    if (this.#outbox.full) this.regulate()
  }

  /** A client that takes a long message bit by bit is slow, but has not stopped reading. */
  progressed (): void {
    this.#host.stalled.add(this)
  }

  drained (): void {
    this.#host.stalled.delete(this)
    this.#principal.resume()
    this.#resumeInbox()
  }

  /** Resolves when every request that has arrived is answered. */
  async settled (): Promise<void> {
    await this.#inbox.idle()
    await this.#held?.idle()
  }

  /**
   * Starts to close: nothing that still arrives is executed, subscriptions end, and what has been sent is
   * followed by the close frame. The socket ends when the client agrees, or after `CLOSE_TIMEOUT_MS`.
   */
  close (reason: CloseReason): void {
    if (!this.open) return
    this.#recordClose(reason)
    if (!this.open) return
    this.#shut('closing', reason.reason)
    this.#outbox.flush()
    if (this.#ws.isPaused) this.#ws.resume()
    if (this.#outbox.busy) this.#outbox.idle().then(() => { this.#ws.close(reason.code, reason.reason) })
    else this.#ws.close(reason.code, reason.reason)
    this.#host.closing.add(this)
    this.#host.logOf(this).info({ code: reason.code, reason: reason.reason }, 'closing connection')
  }

  /** Once, as long as it is known whose connection it is. */
  #recordClose (reason: CloseReason): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#host.audit?.closed(this, reason)
  }

  /** Ends the socket at once. */
  terminate (): void {
    this.#ws.terminate()
  }

  #shut (state: 'closing' | 'closed', ending: string | number): void {
    this.#state = state
    const { isLoggedIn } = this.#principal
    this.#conduct?.end()
    this.#inbox.clear()
    this.#held?.clear()
    this.#principal.end()
    this.#host.onStopped(this, ending, isLoggedIn)
  }

  received (data: RawData, isBinary: boolean): void {
    if (!this.open) return
    this.isAlive = true
    if (isBinary) this.close(closeReasons.binaryNotSupported)
    // A text of its own: the buffer is a view of a whole TCP chunk and would keep that alive.
    else this.#inbox.push((data as Buffer).toString(), (data as Buffer).length)
  }

  failed (error: Error): void {
    const isTooLong = (error as NodeJS.ErrnoException).code === FRAME_TOO_LONG
    const limit = isTooLong && {
      option: this.#isUnauthenticated ? 'connectionLimits.maxUnauthenticatedPayloadBytes' : 'maxPayloadBytes'
    }
    this.#host.logOf(this).info({ err: error, ...limit }, 'connection failed')
    if (!this.open) return
    this.#isEnding = true
    this.#host.audit?.failed(this, error)
    if (!this.open) return
    // A violation of RFC 6455: ws has sent its close frame and would wait for the answer much longer than we
    // do.
    this.#shut('closing', 'failed')
    this.#host.closing.add(this)
  }

  ended (code: number): void {
    if (this.open) this.#shut('closed', code)
    this.#state = 'closed'
    this.#host.onClosed(this, code)
  }
}
