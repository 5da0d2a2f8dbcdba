import type { AuditStats } from '../audit/trail.js'
import type { StoreStats } from '@hamicek/noex-store'
import type { ProcessStats } from '../metrics/process-metrics.js'
import type { OperationStats } from '../metrics/request-metrics.js'
import type { DurabilityStats } from '../store/durability-watch.js'
import type { LiveQueryStats } from '../subscriptions/live-queries.js'
import type { SubscriptionInfo } from '../subscriptions/subscriber.js'

/** One connection, as `server.connections` and `app.noex.getConnections()` list it. */
export interface ConnectionInfo {
  readonly connectionId: string
  readonly remoteAddress: string
  /** Epoch milliseconds. */
  readonly connectedAt: number
  readonly authenticated: boolean
  readonly userId: string | null
  /** The name of the user, where there is one beside the id. */
  readonly userName: string | null
  readonly roles: readonly string[]
  readonly storeSubscriptionCount: number
  readonly rulesSubscriptionCount: number
  /** Bytes that wait to be sent. */
  readonly bytesQueued: number
  /** Requests that have arrived since the connection opened. */
  readonly requests: number
}

/** A request that was answered with an error, or a connection that was refused. Texts are cut. */
export interface Refusal {
  /** Epoch milliseconds. */
  readonly at: number
  /** `null` for a request over HTTP, and where there was no connection yet. */
  readonly connectionId: string | null
  readonly address: string
  readonly userId: string | null
  readonly userName: string | null
  /** `null` for a refused connection, and for a frame that is no request. */
  readonly operation: string | null
  /** The code of the error, or the HTTP status of a refused connection. */
  readonly code: string
  readonly message: string
}

/** One connection, as `server.connection` shows it. */
export interface ConnectionDetails extends ConnectionInfo {
  /** Since it was last asked for, at least a second ago, or else since the connection opened. */
  readonly requestsPerSecond: number
  readonly queued: {
    /** Messages that wait to be sent. */
    readonly frames: number
    readonly bytes: number
    /** Requests that wait to be handled. */
    readonly requests: number
  }
  /** At most 1,000. */
  readonly subscriptions: readonly SubscriptionInfo[]
  /** The last 20, newest first. */
  readonly refusals: ReadonlyArray<Pick<Refusal, 'at' | 'operation' | 'code' | 'message'>>
}

/** One bucket in the statistics. */
export interface BucketStats {
  readonly records: number
  /** Estimated bytes of the records as JSON. */
  readonly bytes: number
  readonly indexes: number
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
  readonly process: ProcessStats
  /** Requests since the start, by operation; those that clients have not asked for are not there. */
  readonly operations: Readonly<Record<string, OperationStats>>
  /** The buckets with most bytes, at most 1,000. */
  readonly buckets: Readonly<Record<string, BucketStats>>
  /** `null` for a store in memory only. */
  readonly durability: DurabilityStats | null
  /** Bytes that wait for clients to read them: for all, and for the one with most. */
  readonly queues: { readonly bytes: number, readonly largestBytes: number }
  /** Refusals and closes because of a limit since the start, by the limit. */
  readonly refusals: Readonly<Record<string, number>>
}
