import type { WebSocket } from 'ws'
import type { Clock } from '../clock.js'
import { closeReasons, type CloseReason } from '../close-codes.js'
import { SubscriptionQuota } from '../feeds/subscription-table.js'
import { closeTimeoutMs } from '../deadlines.js'
import type { ResolvedOptions } from '../options.js'
import type { NoticeMessage } from '../protocol/messages.js'
import type { Log } from '../log.js'
import type { ConnectionHost } from './connection-host.js'
import { Connection, type ConnectionOrigin } from './connection.js'
import { DeadlineQueue } from './deadline-queue.js'
import { Heartbeat } from './heartbeat.js'
import type { ConnectionInfo } from '../info.js'
import type { OutboxLimits } from './outbox.js'

let lastId = 0

/** All connections of a service, with what they share: limits, heartbeat, deadlines. */
export class Connections implements ConnectionHost {
  readonly clock: Clock
  readonly quota: SubscriptionQuota
  readonly outboxLimits: OutboxLimits
  readonly maxPayloadBytes: number
  readonly stalled: DeadlineQueue<Connection>
  readonly closing: DeadlineQueue<Connection>
  readonly dispatch: ConnectionHost['dispatch']
  readonly #log: Log
  readonly #maxPerAddress: number
  readonly #heartbeat: Heartbeat
  readonly #connections = new Set<Connection>()
  readonly #perAddress = new Map<string, number>()
  #emptied: Array<() => void> = []

  constructor (options: ResolvedOptions, log: Log, clock: Clock, dispatch: ConnectionHost['dispatch']) {
    const { maxBufferedBytes, highWaterMark, drainTimeoutMs } = options.backpressure
    this.clock = clock
    this.dispatch = dispatch
    this.quota = new SubscriptionQuota(options.connectionLimits)
    this.outboxLimits = { maxBufferedBytes, markBytes: maxBufferedBytes * highWaterMark }
    this.maxPayloadBytes = options.maxPayloadBytes
    this.stalled = new DeadlineQueue(drainTimeoutMs, clock, connection => { connection.close(closeReasons.slowConsumer) })
    this.closing = new DeadlineQueue(closeTimeoutMs, clock, connection => { connection.terminate() })
    this.#log = log
    this.#maxPerAddress = options.maxConnectionsPerIp
    this.#heartbeat = new Heartbeat(options.heartbeat, clock)
  }

  /** Connections that were let in and whose socket is open or closing. */
  get size (): number {
    return this.#connections.size
  }

  get infos (): ConnectionInfo[] {
    return [...this.#connections].map(connection => connection.info)
  }

  /** Takes over a WebSocket in the tick in which it opens, and returns its connection. */
  accept (ws: WebSocket, origin: ConnectionOrigin): Connection {
    const fromAddress = this.#perAddress.get(origin.remoteAddress) ?? 0
    const connection = new Connection(ws, `conn-${++lastId}`, origin, this)
    this.logOf(connection).info({ remoteAddress: origin.remoteAddress }, 'connection opened')
    if (fromAddress >= this.#maxPerAddress) {
      connection.close(closeReasons.tooManyConnections)
      return connection
    }
    // Only who is let in counts: what is refused may not keep others out while its socket closes.
    this.#connections.add(connection)
    this.#perAddress.set(origin.remoteAddress, fromAddress + 1)
    this.#heartbeat.add(connection)
    connection.welcome()
    return connection
  }

  notifyAll (message: NoticeMessage): void {
    for (const connection of this.#connections) connection.notify(message)
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
    this.stalled.clear()
    this.closing.clear()
  }

  stopped (connection: Connection): void {
    this.#heartbeat.delete(connection)
    this.stalled.delete(connection)
  }

  closed (connection: Connection, code: number): void {
    this.closing.delete(connection)
    this.logOf(connection).info({ code, durationMs: this.clock.now() - connection.connectedAt }, 'connection closed')
    if (!this.#connections.delete(connection)) return
    this.#uncount(connection.origin.remoteAddress)
    if (this.#connections.size > 0) return
    const emptied = this.#emptied
    this.#emptied = []
    for (const resolve of emptied) resolve()
  }

  #uncount (address: string): void {
    const left = (this.#perAddress.get(address) as number) - 1
    if (left === 0) this.#perAddress.delete(address)
    else this.#perAddress.set(address, left)
  }

  logOf (connection: Connection): Log {
    return this.#log.child({ reqId: connection.origin.requestId, connectionId: connection.id })
  }
}
