import type { DrainOptions } from './lifecycle/shutdown-options.js'
import type { ConnectionInfo, ServerStats } from './operations/server-info.js'
import type { NoexState } from './service/status.js'
import type { ApplicationStore } from './store/application-store.js'

export type { NoexState }

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
  /** The number of WebSocket connections, closing ones included. */
  readonly connectionCount: number
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
