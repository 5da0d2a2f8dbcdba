import type { AddressInfo } from 'node:net'
import type { StoreStats } from '@hamicek/noex-store'
import type { WebSocket } from 'ws'
import { systemClock, type Clock } from './clock.js'
import { Connections } from './connection/connections.js'
import type { ConnectionOrigin } from './connection/connection.js'
import { dispatch } from './connection/dispatch.js'
import type { ConnectionInfo, ServerStats } from './info.js'
import type { DrainOptions, Noex, NoexState } from './decorator.js'
import { Feeds } from './feeds/feeds.js'
import type { Log } from './log.js'
import { drainConnections } from './lifecycle/drain.js'
import { closeReasons } from './close-codes.js'
import type { Services } from './operations/operation.js'
import { isGracePeriod, type ResolvedOptions } from './options.js'
import { StoreAccess } from './store/store-access.js'

/** Where the service runs. */
export interface NoexEnvironment {
  readonly log: Log
  /** The address that the HTTP server listens on. */
  readonly address: () => AddressInfo | string | null
  readonly clock?: Clock
}

/** The running service: owns the parts, starts and stops them in order. */
export class NoexService implements Noex {
  readonly #options: ResolvedOptions
  readonly #environment: NoexEnvironment
  readonly #clock: Clock
  readonly #access: StoreAccess
  readonly #feeds: Feeds
  readonly #connections: Connections
  readonly #startedAt: number
  #state: NoexState = 'serving'
  #drained: Promise<void> | undefined
  #closed: Promise<void> | undefined

  private constructor (options: ResolvedOptions, environment: NoexEnvironment) {
    this.#options = options
    this.#environment = environment
    this.#clock = environment.clock ?? systemClock
    this.#startedAt = this.#clock.ticks()
    this.#access = StoreAccess.open(options.store)
    this.#feeds = new Feeds(this.#access, environment.log)
    const services: Services = {
      access: this.#access,
      feeds: this.#feeds,
      getStats: () => this.getStats(),
      getConnections: () => this.getConnections()
    }
    this.#connections = new Connections(options, environment.log, this.#clock,
      (text, connection) => dispatch(text, connection, services, options))
  }

  /** Starts a service on a store that is running; `close` ends it. */
  static async start (options: ResolvedOptions, environment: NoexEnvironment): Promise<NoexService> {
    const service = new NoexService(options, environment)
    try {
      await service.#feeds.start()
      return service
    } catch (error) {
      service.#access.close()
      throw error
    }
  }

  get state (): NoexState {
    return this.#state
  }

  get connectionCount (): number {
    return this.#connections.size
  }

  get uptimeMs (): number {
    return Math.round(this.#clock.ticks() - this.#startedAt)
  }

  /** Takes over a WebSocket in the tick in which it opens. */
  accept (ws: WebSocket, origin: ConnectionOrigin): void {
    const connection = this.#connections.accept(ws, origin)
    // The upgrade was let in before the drain began and has only now come through.
    if (this.#state !== 'serving') connection.close(closeReasons.serverShutdown)
  }

  async getStats (): Promise<ServerStats> {
    const address = this.#environment.address()
    const { port, address: host } = typeof address === 'object' && address !== null ? address : { port: null, address: null }
    const active = this.#connections.size
    return {
      name: this.#options.name,
      port,
      host,
      connectionCount: active,
      uptimeMs: this.uptimeMs,
      authEnabled: false,
      rateLimitEnabled: false,
      rulesEnabled: false,
      connections: {
        active,
        authenticated: 0,
        totalStoreSubscriptions: this.#connections.quota.taken,
        totalRulesSubscriptions: 0
      },
      store: await this.#storeStats(),
      rules: null
    }
  }

  getConnections (): ConnectionInfo[] {
    return this.#connections.infos
  }

  revokeSession (_userId: string): number {
    return this.revokeSessions({})
  }

  revokeSessions (_filter: { userId?: string, role?: string }): number {
    throw new Error('there are no sessions to revoke: the option auth is not set')
  }

  async drain ({ gracePeriodMs = this.#options.shutdown.gracePeriodMs }: DrainOptions = {}): Promise<void> {
    isGracePeriod(gracePeriodMs, 'gracePeriodMs')
    if (this.#drained === undefined) {
      if (this.#state === 'serving') this.#state = 'draining'
      this.#environment.log.info({ gracePeriodMs, connections: this.#connections.size }, 'draining')
      this.#drained = drainConnections(this.#connections, gracePeriodMs, this.#clock)
    }
    await this.#drained
  }

  /** Drains, then releases everything that the service holds. The store goes on: it is the application's. */
  async close (): Promise<void> {
    this.#closed ??= this.#close()
    await this.#closed
  }

  async #close (): Promise<void> {
    await this.drain()
    this.#state = 'closed'
    this.#connections.stop()
    await this.#feeds.stop()
    this.#access.close()
  }

  /** The store's own, with the subscriptions that the store does not know of. */
  async #storeStats (): Promise<StoreStats | null> {
    try {
      const stats = await this.#options.store.getStats()
      const activeSubscriptions = stats.queries.activeSubscriptions + this.#connections.quota.taken
      return { ...stats, queries: { ...stats.queries, activeSubscriptions } }
    } catch (error) {
      this.#environment.log.warn({ err: error }, 'the store has no statistics')
      return null
    }
  }
}
