import type { NoexErrorCode } from './errors.js'

/** The protocol version that the welcome names. PROTOCOL.md, "Welcome". */
export const PROTOCOL_VERSION = '1.0.0'

/**
 * The extensions that the welcome names, in its order: what a client may use beyond the protocol of its
 * version. A client that uses none sees nothing of them but their names. PROTOCOL.md, "Welcome".
 */
export const extensions = ['delta', 'find', 'page', 'idempotency', 'ping', 'revision', 'session'] as const

/** The name of an extension. */
type Extension = typeof extensions[number]

/** Client → server. A request: `id` is repeated in its one reply, other properties depend on `type`. */
export interface RequestMessage {
  readonly id: number
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * An operation of the application with the types of its requests and replies, which its clients know. The
 * members `~input` and `~output` are there for types alone: no value has them.
 */
export interface ApplicationOperation<Name extends string = string, Input = any, Output = any> {
  readonly name: Name
  /** The members of a request beside `id` and `type`. */
  readonly '~input'?: Input
  /** The value that the handler resolves with; a client gets it as JSON. */
  readonly '~output'?: Output
}

/** Client → server. Answers a ping; gets no reply. */
export interface PongMessage {
  readonly type: 'pong'
  /** The timestamp of the ping. */
  readonly timestamp: number
}

/** Server → client. The reply to a request that has succeeded. */
export interface SuccessResponse {
  readonly id: number
  readonly type: 'result'
  readonly data: unknown
  /** Where the request has asked for it: a revision of the store that has its changes. */
  readonly revision?: number
}

/** Server → client. The reply to a request that has failed, wholly or in part. PROTOCOL.md, "Error codes". */
export interface ErrorResponse {
  readonly id: number
  readonly type: 'error'
  readonly code: NoexErrorCode
  readonly message: string
  readonly details?: unknown
}

/** Server → client. The one reply to a request. */
export type ReplyMessage = SuccessResponse | ErrorResponse

/** Server → client. The new result of a live query, or an event of the rules. */
export type PushMessage =
  | {
    readonly type: 'push'
    readonly channel: 'subscription'
    readonly subscriptionId: string
    readonly data: unknown
  }
  | DeltaPush
  | {
    readonly type: 'push'
    readonly channel: 'event'
    readonly subscriptionId: string
    readonly data: { readonly topic: string, readonly event: unknown }
  }

/**
 * Server → client. The change of a live query, to a subscription that takes deltas: either the change of a
 * list, or with `data` the complete result. PROTOCOL.md, "Deltas".
 */
interface DeltaPush {
  readonly type: 'push'
  readonly channel: 'subscription'
  readonly subscriptionId: string
  /** Revision of the store whose state it shows. */
  readonly revision: number
  readonly delta?: Delta
  readonly data?: unknown
  /** Present with `data`: names the history of the result from now on. */
  readonly epoch?: string
  /** Present with `data`: the key field from now on. */
  readonly key?: string | null
  /** Present for a page. */
  readonly hasMore?: boolean
  /** Present for a page. */
  readonly nextCursor?: string | null
  /** Another push of the same moment follows: the client shows them together. */
  readonly more?: true
}

/** The change of a list of records with keys: to be applied in the order of the members. */
interface Delta {
  /** Keys of rows that leave the list; those that the client does not have do not matter. */
  readonly remove: readonly unknown[]
  /** Rows: one whose key is known in the place of that, any other at the end. */
  readonly upsert: readonly object[]
  /** Places of rows in the new list, ascending. */
  readonly at?: ReadonlyArray<readonly [key: unknown, index: number]>
}

/** Server → client. The first frame of every connection. */
export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly version: typeof PROTOCOL_VERSION
  /** Epoch milliseconds. */
  readonly serverTime: number
  readonly requiresAuth: boolean
  /** The abilities of this server beyond the protocol of this version. */
  readonly extensions: readonly Extension[]
  /** Time between two pings, in milliseconds. */
  readonly heartbeatMs: number
  /** The largest message that the client may send, once it is logged in where it must be; in bytes. */
  readonly maxPayloadBytes: number
  /** Time for which an idempotency key is remembered, in milliseconds. */
  readonly idempotencyWindowMs: number
  /** The user, where the upgrade request has named it. */
  readonly userId?: string | undefined
}

/** Server → client. Asks for a pong. PROTOCOL.md, "Heartbeat". */
export interface PingMessage {
  readonly type: 'ping'
  /** Epoch milliseconds. */
  readonly timestamp: number
}

/** Server → client. Informs about the connection itself; clients ignore events that they do not know. */
export type SystemMessage =
  | {
    readonly type: 'system'
    readonly event: 'shutdown'
    readonly gracePeriodMs: number
    readonly reconnectAfterMs: number
  }
  | { readonly type: 'system', readonly event: 'session_revoked', readonly reason: string }
  | { readonly type: 'system', readonly event: 'closed_by_operator', readonly reason: string }
  | { readonly type: 'system', readonly event: 'session_ended', readonly reason: SessionEnd }
  | {
    readonly type: 'system'
    readonly event: 'subscription_closed'
    readonly subscriptionId: string
    readonly reason: SubscriptionEnd
  }
  | {
    readonly type: 'system'
    readonly event: 'gap'
    readonly subscriptionId: string
    readonly count: number
  }
  | {
    readonly type: 'system'
    readonly event: 'revision'
    /** All live queries of the connection have been shown a state of at least this revision. */
    readonly revision: number
  }

/** The reason why a session is over: its time, or its issuer or another connection has ended it. */
export type SessionEnd = 'expired' | 'ended'

/** The reason why the server has ended a subscription. */
export type SubscriptionEnd = 'query_undefined' | 'bucket_dropped' | 'forbidden' | 'failed' | 'memory_limit'

/** Server → client. A message that is neither a reply nor a push. */
export type NoticeMessage = WelcomeMessage | PingMessage | SystemMessage
