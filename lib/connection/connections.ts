import type { WebSocket } from 'ws'
import type { ConnectionAudit } from '../audit/connection-audit.js'
import type { Caller, Gate } from '../access/gate.js'
import type { Scope } from '../access/policy.js'
import type { Session } from '../access/session.js'
import type { TokenRefusal } from '../access/token-refusal.js'
import type { Clock } from '../clock.js'
import { closeReasons, type CloseReason } from '../close-codes.js'
import type { Hearing } from '../rules/event-subscriptions.js'
import type { ConnectionQuota } from '../limits/connection-quota.js'
import type { Refusals } from '../limits/refusals.js'
import { SubscriptionQuota } from '../feeds/subscription-quota.js'
import { closeTimeoutMs } from '../deadlines.js'
import type { ResolvedOptions } from '../options.js'
import type { Log } from '../log.js'
import type { ConnectionHost } from './connection-host.js'
import { Connection } from './connection.js'
import type { Upgrade } from './upgrade.js'
import { DeadlineQueue } from './deadline-queue.js'
import { Endings } from './endings.js'
import { Heartbeat } from './heartbeat.js'
import { UnauthenticatedInboxes } from './inbox.js'
import type { ConnectionInfo } from '../info.js'
import type { OutboxLimits } from './outbox.js'

let lastId = 0

/** What decides about the clients of a service, and what records them. */
export interface ClientAccess {
  readonly audit: ConnectionAudit | undefined
  readonly requiresAuth: boolean
  readonly gate: Gate
  /** How many there may be. */
  readonly places: ConnectionQuota
  readonly refusals: Refusals
}

/** All connections of a service, with what they share: limits, heartbeat, deadlines. */
export class Connections implements ConnectionHost {
  readonly clock: Clock
  readonly quota: SubscriptionQuota
  readonly outboxLimits: OutboxLimits
  readonly maxPayloadBytes: number
  readonly maxUnauthenticatedPayloadBytes: number
  readonly unauthenticatedInboxes: UnauthenticatedInboxes
  readonly requiresAuth: boolean
  readonly audit: ConnectionAudit | undefined
  readonly stalled: DeadlineQueue<Connection>
  readonly closing: DeadlineQueue<Connection>
  readonly dispatch: ConnectionHost['dispatch']
  readonly endings = new Endings()
  readonly #gate: Gate
  readonly #places: ConnectionQuota
  readonly #refusals: Refusals
  /** Those whose socket is there although they have been sent away before anybody has logged in. */
  readonly #goingStrangers = new Set<Connection>()
  /** Connections on which somebody has yet to log in. */
  readonly #strangers: DeadlineQueue<Connection>
  readonly #log: Log
  readonly #maxPerAddress: number
  readonly #heartbeat: Heartbeat
  readonly #connections = new Set<Connection>()
  readonly #perAddress = new Map<string, number>()
  #authenticated = 0
  #emptied: Array<() => void> = []

  constructor (options: ResolvedOptions, log: Log, clock: Clock, { requiresAuth, gate, places, refusals, audit }: ClientAccess, dispatch: ConnectionHost['dispatch']) {
    const { maxBufferedBytes, highWaterMark, drainTimeoutMs } = options.backpressure
    this.clock = clock
    this.dispatch = dispatch
    this.quota = new SubscriptionQuota(options.connectionLimits, refusals)
    this.outboxLimits = { maxBufferedBytes, markBytes: maxBufferedBytes * highWaterMark }
    this.maxPayloadBytes = options.maxPayloadBytes
    this.maxUnauthenticatedPayloadBytes = Math.min(
      options.maxPayloadBytes,
      options.connectionLimits.maxUnauthenticatedPayloadBytes
    )
    this.unauthenticatedInboxes = new UnauthenticatedInboxes(this.maxUnauthenticatedPayloadBytes)
    this.stalled = new DeadlineQueue(drainTimeoutMs, clock, connection => { connection.close(closeReasons.slowConsumer) })
    this.closing = new DeadlineQueue(closeTimeoutMs, clock, connection => { connection.terminate() })
    this.requiresAuth = requiresAuth
    this.audit = audit
    this.#gate = gate
    this.#places = places
    this.#refusals = refusals
    this.#strangers = new DeadlineQueue(options.loginTimeoutMs, clock, connection => { connection.close(closeReasons.loginTimeout) })
    this.#log = log
    this.#maxPerAddress = options.maxConnectionsPerIp
    this.#heartbeat = new Heartbeat(options.heartbeat, clock)
  }

  /** Connections that were let in and whose socket is open or closing. */
  get size (): number {
    return this.#connections.size
  }

  /** Connections on which somebody is logged in. */
  get authenticated (): number {
    return this.#authenticated
  }

  get all (): Connection[] {
    return [...this.#connections]
  }

  /** Bytes that wait for clients: for all, and for the one for whom most of them do. */
  get queued (): { allBytes: number, largestBytes: number } {
    let [allBytes, largestBytes] = [0, 0]
    for (const { queuedBytes } of this.#connections) {
      allBytes += queuedBytes
      largestBytes = Math.max(largestBytes, queuedBytes)
    }
    return { allBytes, largestBytes }
  }

  get infos (): ConnectionInfo[] {
    return [...this.#connections].map(connection => connection.info)
  }

  /** Takes over a WebSocket in the tick in which it opens, and the place that `ConnectionQuota.enter` has kept for it. Returns its connection. */
  accept (ws: WebSocket, upgrade: Upgrade): Connection {
    // Who it is counts from now on as it changes.
    this.#places.change(upgrade.session?.userId, undefined)
    const connection = new Connection(ws, `conn-${++lastId}`, upgrade, this)
    const fromAddress = this.#perAddress.get(connection.addressKey) ?? 0
    this.logOf(connection).info({ remoteAddress: upgrade.remoteAddress }, 'connection opened')
    if (fromAddress >= this.#maxPerAddress) {
      this.#refusals.count('connections_per_ip')
      connection.close(closeReasons.tooManyConnections)
      this.#stopCounting(connection)
      this.#places.leave()
      return connection
    }
    // Only who is let in counts: what is refused may not keep others out while its socket closes.
    this.#connections.add(connection)
    this.#perAddress.set(connection.addressKey, fromAddress + 1)
    this.#heartbeat.add(connection)
    if (this.requiresAuth && connection.session === undefined) this.#strangers.add(connection)
    connection.welcome()
    return connection
  }

  changing (connection: Connection, from: Session | undefined, to: Session | undefined): void {
    this.#places.change(from?.userId, to?.userId)
    this.#authenticated += Number(to !== undefined) - Number(from !== undefined)
    if (to !== undefined) this.#strangers.delete(connection)
  }

  loggedOut (connection: Connection): void {
    if (this.requiresAuth) this.#strangers.add(connection)
  }

  get isVolatile (): boolean {
    return this.#gate.isVolatile
  }

  scopeOf (client: Caller, query: string): Scope | undefined {
    return this.#gate.scopeOfSubscription(client, query)
  }

  hearing (client: Caller, pattern: string): Hearing | undefined {
    return this.#gate.hearing(client, pattern)
  }

  isStale (client: Caller): boolean {
    return this.#gate.isStale(client)
  }

  async confirm (client: Caller, session: Session): Promise<Session | TokenRefusal> {
    return await this.#gate.confirm(client, session)
  }

  /**
   * What a user may do has changed, or with `undefined` what all may: their clients follow at once. Resolves when the writes that
   * were being executed for them are through, so that nothing is written afterwards on the strength of what held before.
   */
  async followAccess (userId: string | undefined): Promise<void> {
    const writing: Array<Promise<unknown>> = []
    for (const connection of this.#connections) {
      if (userId !== undefined && connection.session?.userId !== userId) continue
      if (connection.writing !== undefined) writing.push(connection.writing)
      connection.followAccess()
    }
    await Promise.allSettled(writing)
  }

  /** Revokes the sessions that match and closes their connections. Returns the users, and how many connections there were. */
  revoke (matches: (session: Session) => boolean, reason: string): { readonly users: ReadonlySet<string>, readonly connections: number } {
    const matching = [...this.#connections].filter(({ session }) => session !== undefined && matches(session))
    const users = new Set(matching.map(({ session }) => (session as Session).userId))
    for (const connection of matching) connection.revoke(reason)
    return { users, connections: matching.length }
  }

  /** Resolves when no connection is left. */
  async empty (): Promise<void> {
    if (this.#connections.size === 0) return
    await new Promise<void>(resolve => { this.#emptied.push(resolve) })
  }

  /** Resolves when every request that has arrived is answered. */
  async settled (): Promise<void> {
    await Promise.all([...this.#connections].map(async connection => { await connection.settled() }))
  }

  closeAll (reason: CloseReason): void {
    for (const connection of this.#connections) connection.close(reason)
  }

  /** Stops all timers. Connections that are left are no longer looked after. */
  stop (): void {
    this.#heartbeat.stop()
    this.#strangers.clear()
    this.stalled.clear()
    this.closing.clear()
  }

  stopped (connection: Connection, ending: string | number, wasLoggedIn: boolean): void {
    this.endings.count(ending)
    this.#heartbeat.delete(connection)
    this.#strangers.delete(connection)
    this.stalled.delete(connection)
    // A user may come back at once. A stranger counts as one as long as the socket is there: it is only kept by not answering.
    if (wasLoggedIn) this.#places.stop(undefined)
    else this.#goingStrangers.add(connection)
  }

  closed (connection: Connection, code: number): void {
    this.closing.delete(connection)
    this.logOf(connection).info({ code, durationMs: this.clock.now() - connection.connectedAt }, 'connection closed')
    this.#stopCounting(connection)
    if (!this.#connections.delete(connection)) return
    this.#places.leave()
    this.#uncount(connection.addressKey)
    if (this.#connections.size > 0) return
    const emptied = this.#emptied
    this.#emptied = []
    for (const resolve of emptied) resolve()
  }

  #stopCounting (connection: Connection): void {
    if (this.#goingStrangers.delete(connection)) this.#places.stop(undefined)
  }

  #uncount (address: string): void {
    const left = (this.#perAddress.get(address) as number) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
  }

  logOf (connection: Connection): Log {
    return this.#log.child({ reqId: connection.upgrade.requestId, connectionId: connection.id })
  }
}
