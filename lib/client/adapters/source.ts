import { mustBe } from '../checks.js'
import type { NoexClientError } from '../errors.js'
import type {
  ConnectionState, ConnectionStatus, LiveQuery, QueryOptions, QueryState, RequestOptions
} from '../types.js'

/** A state that changes: a live query, for instance. The same object until it has changed. */
export interface Source<S> {
  readonly state: S
  readonly subscribe: (listener: () => void) => () => void
  /** The state that a server has rendered, where that is known. */
  readonly serverState?: S | undefined
}

/** The part of a client that adapters use, with types of an application or without. */
export interface AnyClient {
  readonly state: ConnectionState
  readonly query: (query: any, params?: any, options?: QueryOptions) => LiveQuery<any>
  readonly request: (type: any, members?: any, options?: RequestOptions) => Promise<any>
  readonly optimistic: (change: (tx: any) => void, options?: RequestOptions) => Promise<any>
}

/** The state of a query that is `undefined` or `null`: of a condition that does not hold yet. */
export interface IdleState {
  readonly status: 'idle'
  readonly data: undefined
  readonly error: undefined
  readonly hasMore: undefined
  readonly nextCursor: undefined
}

/** The state of a query by its status: `live` and `stale` have data, `error` has an error. */
export type QueryResult<T> = QueryState<T> & (
  | { readonly status: 'loading', readonly data: undefined }
  | { readonly status: 'live' | 'stale', readonly data: T }
  | { readonly status: 'error', readonly error: NoexClientError }
)

const idleState: IdleState =
  { status: 'idle', data: undefined, error: undefined, hasMore: undefined, nextCursor: undefined }
const idle: Source<IdleState> = { state: idleState, subscribe: () => () => {} }

/** A value that may not be there yet. */
export type Maybe<T> = T | null | undefined

/** Returns a query as a source, which is idle where there is none. @throws `TypeError` for anything else */
export function queryOf<T> (query: Maybe<LiveQuery<T>>): Source<QueryResult<T> | IdleState> {
  if (query === undefined || query === null) return idle
  checkQuery('useQuery', query)
  return query as Source<QueryResult<T>>
}

/** @throws `TypeError` that begins with `owner` for what is no live query */
export function checkQuery (owner: string, query: unknown): void {
  mustBe(`${owner}: query.subscribe (of a query by client.query)`, Object(query).subscribe, 'a function')
}

/** Holds a state and its listeners; `onStart` is called for the first of them, its result after the last. */
export function createSource<S> (first: S, onStart: () => () => void = () => () => {}) {
  const listeners = new Set<() => void>()
  let state = first
  let stop: (() => void) | undefined
  return {
    get state (): S { return state },
    set (next: S): void {
      state = next
      for (const listener of [...listeners]) if (listeners.has(listener)) listener()
    },
    subscribe (listener: () => void): () => void {
      // One function may subscribe twice.
      const own = (): void => { listener() }
      listeners.add(own)
      if (listeners.size === 1) stop = onStart()
      return () => { if (listeners.delete(own) && listeners.size === 0) stop?.() }
    }
  }
}

/** The connection of a client at one moment. */
export interface Connection {
  readonly status: ConnectionStatus
  /** The reason why it is not open; `undefined` where there is none. */
  readonly error: NoexClientError | undefined
  /** Time of the next attempt, epoch milliseconds, while `waiting`. */
  readonly retryAt: number | undefined
  readonly transport: ConnectionState['transport']
}

const connections = new WeakMap<ConnectionState, Connection>()

/** Returns the connection of a client. @throws `TypeError` for what is no client */
export function connectionOf (client: Pick<AnyClient, 'state'>): Source<Connection> {
  const { state } = Object(client) as Pick<AnyClient, 'state'>
  mustBe('useConnection: client.state (of a client by createClient)', state, 'an object')
  return {
    get state () {
      const { value: status, error, retryAt, transport } = state
      const last = connections.get(state)
      if (last?.status === status && last.error === error && last.retryAt === retryAt &&
        last.transport === transport) return last
      const connection = { status, error, retryAt, transport }
      connections.set(state, connection)
      return connection
    },
    subscribe: listener => state.subscribe(listener)
  }
}
