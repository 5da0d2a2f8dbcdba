/** The shapes of what the server answers; members that an older server does not have may be absent. */

/** The figures of one operation since the start. */
export interface OperationFigures {
  readonly count: number
  readonly errors: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly bytesOut: number
}

/** The answer of `server.stats`. */
export interface Stats {
  readonly name: string
  readonly uptimeMs: number
  readonly authEnabled: boolean
  readonly rulesEnabled: boolean
  readonly connections: {
    readonly active: number
    readonly authenticated: number
    readonly totalStoreSubscriptions: number
    readonly totalRulesSubscriptions: number
  }
  readonly liveQueries?: { readonly count: number, readonly bytes: number }
  readonly store: null | {
    readonly name: string
    readonly revision?: number
    readonly records: { readonly total: number, readonly perBucket: Readonly<Record<string, number>> }
    readonly bytes?: { readonly total: number, readonly perBucket: Readonly<Record<string, number>> }
    readonly indexes: { readonly total: number, readonly perBucket: Readonly<Record<string, number>> }
  }
  readonly rules: null | Readonly<Record<string, unknown>>
  readonly audit?: {
    readonly entries: number
    readonly sinks: ReadonlyArray<{
      readonly name: string
      readonly problem?: string | null
      readonly queued: number
      readonly lagMs: number
      readonly dropped: number
    }>
  }
  readonly process?: {
    readonly rssBytes: number
    readonly heapUsedBytes: number
    readonly heapTotalBytes: number
    readonly cpuSeconds: { readonly user: number, readonly system: number }
    readonly gc: { readonly count: number, readonly seconds: number }
    readonly eventLoopDelayMs: { readonly p50: number, readonly p99: number, readonly max: number }
  }
  readonly operations?: Readonly<Record<string, OperationFigures>>
  readonly buckets?: Readonly<Record<string, {
    readonly records: number
    readonly bytes: number
    readonly indexes: number
  }>>
  readonly durability?: null | {
    readonly isDurable: boolean
    readonly lagMs: number
    readonly isUnavailable: boolean
    readonly diskBytes?: number | null
    readonly freeBytes?: number | null
    readonly isDiskLow?: boolean | null
    readonly lastError?: string | null
  }
  readonly queues?: { readonly bytes: number, readonly largestBytes: number }
  readonly refusals?: Readonly<Record<string, number>>
  readonly cluster?: unknown
}

/** A connection, as lists have it. */
export interface ConnectionRow {
  readonly connectionId: string
  readonly remoteAddress: string
  readonly connectedAt: number
  readonly authenticated: boolean
  readonly userId: string | null
  readonly userName?: string | null
  readonly roles: readonly string[]
  readonly storeSubscriptionCount: number
  readonly rulesSubscriptionCount: number
  readonly bytesQueued?: number
  readonly requests?: number
}

/** A refusal, as `server.refusals` lists it. */
export interface Refusal {
  readonly at: number
  readonly connectionId?: string | null
  readonly address?: string
  readonly userId?: string | null
  readonly userName?: string | null
  readonly operation: string | null
  readonly code: string
  readonly message: string
}

/** The answer of `server.connection`. */
export interface ConnectionDetails extends ConnectionRow {
  readonly requestsPerSecond?: number
  readonly queued?: { readonly frames: number, readonly bytes: number, readonly requests?: number }
  readonly subscriptions: ReadonlyArray<{
    readonly subscriptionId: string
    readonly kind: string
    readonly query?: string
    readonly bucket?: string
    readonly topic?: string
    readonly since: number
  }>
  readonly refusals: readonly Refusal[]
}

/** A live query, as `server.queries` lists it. */
export interface QueryRow {
  readonly id: string
  readonly query: string
  readonly kind: string
  readonly bucket?: string
  readonly params?: readonly string[]
  readonly watchers: number
  readonly evaluations: number
  readonly seconds: number
  readonly updateSeconds?: number
  readonly updates?: number
  readonly lastMs: number
  readonly maxMs: number
  readonly rows: number
  readonly bytes: number
  readonly slow: number | boolean
  readonly advice?: string
}
