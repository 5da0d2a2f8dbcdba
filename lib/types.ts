import type { DrainOptions } from './lifecycle/shutdown-options.js'
import type { ConnectionInfo, ServerStats } from './operations/server-info.js'
import type { NoexState } from './service/status.js'

export type { ConnectionInfo, ServerStats }

export type { NoexState }

/** What the plugin decorates the application with: `app.noex`. */
export interface Noex {
  readonly state: NoexState
  /** WebSocket connections, those that are closing included. */
  readonly connectionCount: number
  /**
   * What `/stats` answers. Never rejects because of the store; costs the same however many clients are
   * connected.
   */
  getStats: () => Promise<ServerStats>
  /** One entry for each connection, in the order in which they came. */
  getConnections: () => ConnectionInfo[]
  /**
   * Ends the sessions of a user and returns the number of connections closed. Throws unless `auth` is
   * configured.
   */
  revokeSession: (userId: string) => number
  /** The same for everybody who matches. Throws unless `auth` is configured. */
  revokeSessions: (filter: { userId?: string, role?: string }) => number
  /**
   * Has `/healthz` answer 503 at once, goes on serving for `drainDelayMs`, then lets nobody in any more and
   * brings the connections to an end; the HTTP server goes on serving. Resolves when no connection is left,
   * at most two seconds after delay and grace period. Later calls wait for the first. `app.close()` does the
   * same without the delay, and ends one that is running. Rejects with a `NoexOptionsError` when one of the
   * times is none.
   */
  drain: (options?: DrainOptions) => Promise<void>
}
