import type { SinkStats } from '../audit/sink-queue.js'
import type { SubscriptionKind } from '../limits/subscription-quota.js'

/** A figure for each kind of subscription. */
export type ByKind = Readonly<Record<SubscriptionKind, number>>

/** What the parts of a service know at the moment of a scrape, beside the requests. */
export interface MetricsSnapshot {
  readonly uptimeMs: number
  /** Whether clients should be sent here. */
  readonly ready: boolean
  readonly draining: boolean
  readonly connections: number
  readonly authenticated: number
  readonly subscriptions: ByKind
  /** What is watched, each once however many watch it. */
  readonly distinctSubscriptions: ByKind
  /** Evaluations of live queries since the start. */
  readonly evaluations: number
  /** Pushes since the start, one for each client that was sent it. */
  readonly pushes: ByKind
  /** Bytes that wait for clients. */
  readonly queued: { readonly allBytes: number, readonly largestBytes: number }
  /** What was refused since the start, by the limit that was reached. */
  readonly rejections: Readonly<Record<string, number>>
  /** Connections that have ended since the start, by reason. */
  readonly closes: Readonly<Record<string, number>>
  /**
   * Whether the store refuses writes because its log takes none, the age of its oldest commit that is not
   * durable, and the room that its log takes and has.
   */
  readonly store: {
    readonly isUnavailable: boolean
    readonly lagMs: number
    readonly diskBytes: ReadonlyArray<readonly [kind: string, bytes: number]>
  }
  /** The sinks of the audit trail; none where there is no trail. */
  readonly sinks: readonly SinkStats[]
}
