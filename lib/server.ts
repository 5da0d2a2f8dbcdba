import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { ServerOptions as HttpOptions } from 'node:http'
import type { ServerOptions as HttpsOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ConnectionInfo, ServerStats } from './operations/server-info.js'
import { checkDrainOptions, type DrainOptions } from './lifecycle/shutdown-options.js'
import type { Noex } from './types.js'
import type { NoexOptions } from './options/options.js'
import { noexPlugin } from './plugin.js'

/** The options of `NoexServer.start`: those of the plugin, and the address to listen on. */
export interface ServerConfig extends NoexOptions {
  /**
   * TCP port; 0 lets the system choose.
   * @default 8080
   */
  port?: number | undefined
  /** @default '0.0.0.0' */
  host?: string | undefined
  /**
   * Options of the Fastify server: `logger`, `trustProxy`, `https` and so on.
   * @default `forceCloseConnections`, `requestTimeout` 15_000, and in `http` or `https` `headersTimeout`
   * 10_000
   */
  fastify?: FastifyServerOptions & { http?: HttpOptions | null, https?: HttpsOptions | null } | undefined
}

/**
 * Returns the time limits for the head of a request: heads are short here, and a slow one occupies a socket.
 */
function headTimeouts (given: HttpOptions | null | undefined): HttpOptions {
  // Node refuses a limit that is longer than that of the whole request, of which 0 means none.
  return {
    headersTimeout: Math.min(10_000, given?.requestTimeout || Infinity),
    connectionsCheckingInterval: 2_500
  }
}

const serverDefaults = {
  // A request without an end must not delay `stop`.
  forceCloseConnections: true,
  requestTimeout: 15_000
} as const

/** Returns a Fastify application with the limits of a server of its own; given options come first. */
export function createApp (options: NonNullable<ServerConfig['fastify']> = {}): FastifyInstance {
  const { http, https, ...rest } = options
  const listening =
    https == null
      ? { http: { ...headTimeouts(http), ...http } }
      : { https: { ...headTimeouts(https), ...https } }
  return Fastify({ ...serverDefaults, ...rest, ...listening } as FastifyServerOptions)
}

/**
 * A server of its own for a store: a Fastify application with `noexPlugin` alone. The store goes on after
 * `stop`: the caller owns it.
 * @example
 * const server = await NoexServer.start({ store: await Store.start({ name: 'shop' }), port: 3000 })
 * console.log(server.connectionCount)
 * await server.stop()
 */
export class NoexServer {
  readonly #app: FastifyInstance
  readonly #noex: Noex
  readonly #port: number
  #stopped: Promise<void> | undefined

  private constructor (app: FastifyInstance) {
    this.#app = app
    this.#noex = app.noex
    this.#port = (app.server.address() as AddressInfo).port
  }

  /**
   * Starts a server. Resolves when it listens; rejects for an invalid option or a port in use, and leaves
   * nothing behind.
   */
  static async start (config: ServerConfig): Promise<NoexServer> {
    const { port = 8080, host = '0.0.0.0', fastify, ...options } = config
    const app = createApp(fastify)
    try {
      await app.register(noexPlugin, options)
      await app.listen({ port, host })
      return new NoexServer(app)
    } catch (error) {
      // The first error is the one to report.
      await app.close().catch(() => {})
      throw error
    }
  }

  /** The TCP port of the server, also after `stop`. */
  get port (): number {
    return this.#port
  }

  /** `false` as soon as `stop` is called. */
  get isRunning (): boolean {
    return this.#stopped === undefined
  }

  /** The number of connections, of WebSockets and streams, closing ones included. */
  get connectionCount (): number {
    return this.#noex.connectionCount
  }

  /** See `Noex.getStats`; also after `stop`. */
  async getStats (): Promise<ServerStats> {
    return await this.#noex.getStats()
  }

  /** See `Noex.getConnections`. */
  getConnections (): ConnectionInfo[] {
    return this.#noex.getConnections()
  }

  /** See `Noex.revokeSession`. */
  revokeSession (userId: string): number {
    return this.#noex.revokeSession(userId)
  }

  /** See `Noex.revokeSessions`. */
  revokeSessions (filter: { userId?: string, role?: string }): number {
    return this.#noex.revokeSessions(filter)
  }

  /**
   * Drains the server as `Noex.drain` does, then closes it, within at most two seconds after delay and grace
   * period. Later calls wait for the first.
   */
  async stop (options: DrainOptions = {}): Promise<void> {
    checkDrainOptions(options)
    this.#stopped ??= this.#noex.drain(options).then(async () => { await this.#app.close() })
    await this.#stopped
  }
}
