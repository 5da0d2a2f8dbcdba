import type { ConnectionInfo, ServerStats } from './info.js'

/** `serving` → `draining` (no new connections, the present ones are brought to an end) → `closed`. */
export type NoexState = 'serving' | 'draining' | 'closed'

export interface DrainOptions {
  /**
   * Milliseconds that clients have to leave by themselves.
   * @default the option `shutdown.gracePeriodMs`
   */
  gracePeriodMs?: number | undefined
}

/** What the plugin decorates the application with: `app.noex`. */
export interface Noex {
  readonly state: NoexState
  /** WebSocket connections, those that are closing included. */
  readonly connectionCount: number
  /** What `/stats` answers. Never rejects because of the store; costs the same however many clients are connected. */
  getStats: () => Promise<ServerStats>
  /** One entry for each connection, in the order in which they came. */
  getConnections: () => ConnectionInfo[]
  /** Ends the sessions of a user and returns the number of connections closed. Throws unless `auth` is configured. */
  revokeSession: (userId: string) => number
  /** The same for everybody who matches. Throws unless `auth` is configured. */
  revokeSessions: (filter: { userId?: string, role?: string }) => number
  /**
   * Refuses new connections at once and brings the present ones to an end; the HTTP server goes on serving.
   * Resolves when none is left, at most two seconds after the grace period. Later calls wait for the first.
   * Rejects with a `NoexOptionsError` when the grace period is none.
   */
  drain: (options?: DrainOptions) => Promise<void>
}
