import type { AuditStats } from '../audit/trail.js'
import type { StoreStats } from '@hamicek/noex-store'

/** What `server.connections` and `app.noex.getConnections()` tell of one connection. */
export interface ConnectionInfo {
  readonly connectionId: string
  readonly remoteAddress: string
  /** Epoch milliseconds. */
  readonly connectedAt: number
  readonly authenticated: boolean
  readonly userId: string | null
  readonly roles: readonly string[]
  readonly storeSubscriptionCount: number
  readonly rulesSubscriptionCount: number
}

/** What `/stats` and `app.noex.getStats()` tell. */
export interface ServerStats {
  readonly name: string
  /** `null` while the server does not listen on a TCP port. */
  readonly port: number | null
  readonly host: string | null
  readonly connectionCount: number
  readonly uptimeMs: number
  readonly authEnabled: boolean
  readonly rateLimitEnabled: boolean
  readonly rulesEnabled: boolean
  readonly connections: {
    readonly active: number
    readonly authenticated: number
    readonly totalStoreSubscriptions: number
    readonly totalRulesSubscriptions: number
  }
  /** `null` when the store could not tell; the log says why. */
  readonly store: StoreStats | null
  /** The engine's own; `null` where none is configured, or it could not tell. */
  readonly rules: object | null
  /** Absent where `audit` is not configured. */
  readonly audit?: AuditStats
}
