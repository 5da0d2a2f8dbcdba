/** The fields of `server.connections`; without any it answers with the list of all. */
export interface ConnectionQuery {
  /** The id of a user, or the beginning of its name. */
  readonly user?: string
  /** The beginning of an address. */
  readonly address?: string
  /** The name of a query that is watched, or `find in <bucket>`. */
  readonly query?: string
  /** 1 to 1,000. @default 100 */
  readonly limit?: number
  /** The id of the last connection of the page before. */
  readonly after?: string
}

/** A connection to the server, in `server.connections`. */
export interface ServerConnection {
  readonly connectionId: string
  readonly remoteAddress: string
  /** Epoch milliseconds. */
  readonly connectedAt: number
  readonly authenticated: boolean
  readonly userId: string | null
  readonly userName: string | null
  readonly roles: readonly string[]
  readonly storeSubscriptionCount: number
  readonly rulesSubscriptionCount: number
  readonly bytesQueued: number
  readonly requests: number
}

/** The particulars of one connection, which `server.connection` adds. */
export interface ConnectionState {
  readonly requestsPerSecond: number
  readonly queued: { readonly frames: number, readonly bytes: number, readonly requests: number }
  readonly subscriptions: ReadonlyArray<{
    readonly subscriptionId: string
    readonly kind: 'store' | 'rules'
    readonly query?: string
    readonly bucket?: string
    readonly topic?: string
    /** Epoch milliseconds. */
    readonly since: number
  }>
  readonly refusals: ReadonlyArray<Pick<Refusal, 'at' | 'operation' | 'code' | 'message'>>
}

/** A request that was answered with an error, or a connection that was refused. */
export interface Refusal {
  /** Epoch milliseconds. */
  readonly at: number
  readonly connectionId: string | null
  readonly address: string
  readonly userId: string | null
  readonly userName: string | null
  readonly operation: string | null
  readonly code: string
  readonly message: string
}
