import type { SinkStats } from '../audit/sink.js'
import type { SubscriptionKind } from '../limits/subscription-quota.js'
import type { EvaluationMetrics } from '../subscriptions/query-metrics.js'
import type { EventLoopReading } from './event-loop-delay.js'
import type { OperationMetrics } from './request-metrics.js'

/** A number for each kind of subscription. */
type ByKind = Readonly<Record<SubscriptionKind, number>>

/** The state of a service at the time of a scrape. */
export interface MetricsSnapshot {
  readonly uptimeMs: number
  /** Whether clients should be sent here. */
  readonly ready: boolean
  readonly draining: boolean
  readonly connections: number
  /** Infinity: there is none. */
  readonly connectionLimit: number
  readonly authenticated: number
  readonly subscriptions: ByKind
  /** Distinct live queries and event patterns that have subscribers. */
  readonly distinctSubscriptions: ByKind
  /** Evaluations of live queries since the start. */
  readonly evaluations: number
  /** Evaluations by label. */
  readonly evaluationsOf: readonly EvaluationMetrics[]
  /** Estimated bytes of live queries, and the changes remembered for clients that come back. */
  readonly live: {
    readonly bytes: number
    readonly resume: { readonly keys: number, readonly bytes: number }
  }
  /** Pushes since the start, counted for each client that gets them. */
  readonly pushes: ByKind
  /** Bytes that wait to be sent to clients: of all connections, and of the connection with most. */
  readonly queued: { readonly allBytes: number, readonly largestBytes: number }
  /** Rejected upgrades, connections and requests since the start, by limit. */
  readonly rejections: Readonly<Record<string, number>>
  /** Closed connections since the start, by reason. */
  readonly closes: Readonly<Record<string, number>>
  /**
   * Whether the store refuses writes because its log fails, the age of its oldest commit that is not durable,
   * and the bytes that its log uses and that are free.
   */
  readonly store: {
    readonly isUnavailable: boolean
    readonly lagMs: number
    readonly diskBytes: ReadonlyArray<readonly [kind: string, bytes: number]>
  }
  /** Records and estimated bytes by bucket. */
  readonly buckets: ReadonlyArray<readonly [
    bucket: string, of: { readonly records: number, readonly bytes: number }
  ]>
  /** The sinks of the audit trail; empty where there is no trail. */
  readonly sinks: readonly SinkStats[]
  /** The requests, by operation. */
  readonly operations: readonly OperationMetrics[]
  readonly heapLimitBytes: number
  readonly eventLoop: EventLoopReading
}
