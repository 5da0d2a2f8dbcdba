import type { AuditStats } from '../audit/trail.js'
import type { StoreStats } from '@hamicek/noex-store'
import type { LiveQueryStats } from '../subscriptions/live-queries.js'

/** One connection, as `server.connections` and `app.noex.getConnections()` list it. */
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

/** The statistics of a service: the answer of `/stats` and `app.noex.getStats()`. */
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
  readonly liveQueries: LiveQueryStats
  /** `null` when the store has failed to answer; the error is logged. */
  readonly store: StoreStats | null
  /** The statistics of the rule engine; `null` where none is configured, or it has failed to answer. */
  readonly rules: object | null
  /** Absent where `audit` is not configured. */
  readonly audit?: AuditStats
}
