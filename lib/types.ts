import type { DrainOptions } from './lifecycle/shutdown-options.js'
import type { HttpRequest } from './handshake/http-request.js'
import type { ConnectionInfo, ServerStats } from './operations/server-info.js'
import type { AuthSession } from './protocol/session.js'
import type { NoexState } from './service/status.js'
import type { ApplicationStore } from './store/application-store.js'

export type { NoexState }

/** The options of `Noex.call`. */
export interface CallOptions {
  /**
   * Has the operation done once, however often it is called with the key: a text of 1 to 64 characters.
   * PROTOCOL.md, "Idempotency keys".
   */
  readonly idempotencyKey?: string | undefined
}

/**
 * The party for which an operation is called: a request of Fastify, with the user that its token or the
 * gateway's header names, and its address; the session of a user that the application vouches for; or `null`
 * for an anonymous client.
 */
export type NoexCaller = HttpRequest | AuthSession | null

/** The decorator `app.noex`. */
export interface Noex {
  readonly state: NoexState
  /**
   * The store, for the reads and writes of the application itself: without rights, limits and audit. It has
   * the types of the schema in `NoexTypes`.
   * @example
   * await app.noex.store.bucket('orders').insert({ total: 20 })
   */
  readonly store: ApplicationStore
  /** The number of connections, of WebSockets and streams, closing ones included. */
  readonly connectionCount: number
  /**
   * Runs an operation of PROTOCOL.md for a route of the application, with the permissions, audit, limits and
   * metrics of a request over the socket. Resolves with the data of its reply; `store.subscribe` with the
   * present result alone. Rejects with the `NoexServerError` that a client would be sent, with its details:
   * Fastify answers with its status where the route lets it through. Rejects with a `TypeError` for a wrong
   * parameter.
   * @example
   * app.get('/orders/:id', async request =>
   *   await app.noex.call(request, 'store.get', { bucket: 'orders', key: request.params.id }))
   */
  call: <Data = unknown>(
    caller: NoexCaller, operation: string, fields?: object, options?: CallOptions
  ) => Promise<Data>
  /**
   * Returns the statistics that `/stats` answers with. Never rejects because of the store; costs the same for
   * any number of clients.
   * @example
   * const { connectionCount, uptimeMs } = await app.noex.getStats()
   */
  getStats: () => Promise<ServerStats>
  /** Returns one entry for each connection, in the order of their arrival. */
  getConnections: () => ConnectionInfo[]
  /**
   * Ends the sessions of a user, who cannot log in again for `revocation.blacklistTtlMs`. Returns the number
   * of closed connections. Throws unless `auth` is configured.
   * @example
   * app.noex.revokeSession('user-1')
   */
  revokeSession: (userId: string) => number
  /**
   * Ends the sessions of all users that match every given property, like `revokeSession`. An empty filter
   * matches all users.
   * @example
   * app.noex.revokeSessions({ role: 'support' })
   */
  revokeSessions: (filter: { userId?: string, role?: string }) => number
  /**
   * Makes `/healthz` answer 503 at once, goes on serving for `drainDelayMs`, then refuses new connections and
   * closes the present ones within `gracePeriodMs`; the HTTP server goes on serving. Resolves when no
   * connection is left, at most two seconds after delay and grace period. Later calls wait for the first.
   * `app.close()` does the same without the delay, and ends a delay that is running. Rejects with a
   * `NoexOptionsError` for an invalid time.
   * @example
   * process.once('SIGTERM', () => app.noex.drain().then(() => app.close()))
   */
  drain: (options?: DrainOptions) => Promise<void>
}
