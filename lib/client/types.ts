import type { NoexClientError } from './errors.js'

/** A value that changes, and tells when it has. */
export interface Observable<T> {
  readonly value: T
  /** Calls `listener` after each change. Returns the function that ends that. */
  subscribe: (listener: () => void) => () => void
}

/**
 * The state of a connection. `connecting`: a connection is being made, and what is watched is being brought
 * up to date. `open`: all of it is of now. `leaving`: the server is about to stop, or the session has ended.
 * `waiting`: for the next attempt, or with `connect: false` for the first use. `refused`: there is none until
 * `reconnect`. `offline`: the browser has no network.
 */
export type ConnectionStatus = 'connecting' | 'open' | 'leaving' | 'waiting' | 'refused' | 'offline'

/** The connection of a client, as it is at the moment. */
export interface ConnectionState extends Observable<ConnectionStatus> {
  /** The reason why it is not open, with what to do about it; `undefined` where there is none. */
  readonly error: NoexClientError | undefined
  /** Time of the next attempt, epoch milliseconds, while `waiting` for one. */
  readonly retryAt: number | undefined
  /** The way that messages take. */
  readonly transport: 'websocket' | 'http' | 'tab'
}

/** A name and a password, for a server with accounts of its own. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** The options of `createClient`. */
export interface ClientOptions {
  /**
   * Returns the token to log in with, or a name and a password; `undefined` for none. Called at each login:
   * after each connect, and before the session expires.
   */
  readonly getToken?: () => LoginInput | Promise<LoginInput>
  /** The class of WebSockets, where there is no global one. */
  readonly WebSocket?: WebSocketClass
  /** Time of silence after which the connection is tested, in milliseconds. @default what the server says */
  readonly heartbeatMs?: number
  /** Time for a reply, in milliseconds. @default 10000 */
  readonly timeoutMs?: number
  /** Time to connect and log in, in milliseconds. @default 10000 */
  readonly connectTimeoutMs?: number
  /** Delay before the second attempt to connect, in milliseconds; it doubles. @default 500 */
  readonly minDelayMs?: number
  /** Longest delay between two attempts, in milliseconds. @default 30000 */
  readonly maxDelayMs?: number
  /**
   * Time for which a live query goes on after its last subscriber has left, in milliseconds.
   * @default 5000
   */
  readonly lingerMs?: number
  /**
   * One connection for all tabs of this origin: `true`, or where there is a login a text that names its user,
   * and is another one for each.
   * @default false
   */
  readonly tabs?: boolean | string
  /**
   * Where to go when no WebSocket can be had, `false` for nowhere.
   * @default `rpc` and `events` beside the URL of the WebSocket
   */
  readonly fallback?: { readonly rpc: string, readonly events: string } | false
  /** Whether to connect at once; otherwise at the first use. @default true */
  readonly connect?: boolean
}

/** The result of `getToken`. */
export type LoginInput = string | Credentials | undefined

/** The part of the class `WebSocket` that the client uses. */
export type WebSocketClass = new (url: string) => WebSocketLike

/** The part of a `WebSocket` that the client uses. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  send: (text: string) => void
  close: (code?: number, reason?: string) => void
}

/** The options of one request. */
export interface RequestOptions {
  /**
   * Whether the request is repeated over a reconnect until it is answered: it then has an idempotency key,
   * and is done once.
   * @default false
   */
  readonly retry?: boolean
  /** Gives up the request. One that has not been sent yet is withdrawn. */
  readonly signal?: AbortSignal
  /** Time for the reply, in milliseconds; `Infinity` for no limit. @default that of the client */
  readonly timeoutMs?: number
}

/** A live list of a bucket, described where it is used. PROTOCOL.md, "Ad-hoc live queries". */
export interface Find {
  readonly bucket: string
  readonly filter?: object
  readonly sort?: object
  readonly limit?: number
  readonly offset?: number
  readonly fields?: readonly string[]
  readonly aggregate?: object
}

/** The options of a live query. */
export interface QueryOptions {
  /** One page of a list. PROTOCOL.md, "Pages". */
  readonly page?: { readonly limit: number, readonly after?: string | null }
  /** Least time between two changes, in milliseconds. */
  readonly minIntervalMs?: number
}

/**
 * `loading`: nothing has come yet. `live`: the data are of now. `stale`: they are of before the connection
 * was lost. `error`: the server has refused or ended the query, or the connection is refused.
 */
export type QueryStatus = 'loading' | 'live' | 'stale' | 'error'

/** The state of a live query. A new object after each change, the same one otherwise. */
export interface QueryState<T> {
  /** The result; `undefined` before the first. */
  readonly data: T | undefined
  readonly status: QueryStatus
  readonly error: NoexClientError | undefined
  /** Whether rows follow those of a page; `undefined` where it is none. */
  readonly hasMore: boolean | undefined
  /** The `after` of the next page. */
  readonly nextCursor: string | null | undefined
}

/** A live query. One object for equal requests of a client, also over renderings of a page. */
export interface LiveQuery<T> {
  /** Text that is equal for equal requests. */
  readonly key: string
  /** Watches the query from the first listener on; `listener` is called after each change of `state`. */
  readonly subscribe: (listener: () => void) => () => void
  /** Returns the data; `undefined` before the first. */
  readonly getSnapshot: () => T | undefined
  readonly state: QueryState<T>
  /** The state that `hydrate` has made: what a server has rendered. `undefined` where there was none. */
  readonly serverState?: QueryState<T> | undefined
  /** Grows when the client forgets all data: the session has ended, or another user has logged in. */
  readonly generation?: number
  readonly status: QueryStatus
  readonly error: NoexClientError | undefined
}

/** The options of one write of an optimistic transaction. */
export interface WriteOptions {
  /** The `_version` that the record must still have, or the transaction is refused with `CONFLICT`. */
  readonly expectedVersion?: number
}

/** The changes of one `optimistic`, which are one transaction. */
export interface OptimisticTransaction {
  bucket (name: string): {
    insert (record: object): void
    update (key: unknown, changes: object, options?: WriteOptions): void
    delete (key: unknown, options?: WriteOptions): void
  }
  /** Changes what a live query shows until the answer is in, where the writes above cannot say it. */
  query: <T>(query: LiveQuery<T>, change: (data: T) => T) => void
}

/** The results of live queries that a server has asked for a page: JSON. Made by `preload`. */
export interface Preloaded {
  /** The user that they are for; absent where they are for all, or the user is not known. */
  readonly userId?: string
  readonly queries: ReadonlyArray<readonly [key: string, result: object]>
}

/** A client: one connection that is kept up, with requests and live queries over it. */
export interface Client {
  readonly state: ConnectionState
  /** Sends a request; resolves with the data of the reply. @throws `NoexClientError` */
  request<T = any> (type: string, members?: object, options?: RequestOptions): Promise<T>
  /** Returns the live query of a name and its parameters, or of a description. */
  query<T = any> (query: string | Find, params?: object, options?: QueryOptions): LiveQuery<T>
  /** Calls `onEvent` with each event of the rules whose topic the pattern matches. Returns what ends that. */
  events: (pattern: string, onEvent: (event: any, topic: string) => void) => () => void
  /**
   * Writes the changes in one transaction, and shows them at once in all live queries, until the server's
   * answer is in. Resolves with the results of the transaction, rejects with its refusal.
   */
  optimistic (change: (tx: OptimisticTransaction) => void, options?: RequestOptions): Promise<any>
  /** Shows the results of `preload` until newer ones have come. */
  hydrate: (preloaded: Preloaded) => void
  /** Connects at once, anew where there is a connection. */
  reconnect: () => void
  /** Ends the connection and all queries for good. */
  close: () => void
}
