import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { Find, LiveQuery, RequestOptions } from '../types.js'
import { infiniteOf, limitOf, type InfiniteOptions, type InfiniteState } from './infinite.js'
import { mutationOf, type Change, type Definition, type MutationState, type Resettable } from './mutation.js'
import {
  connectionOf, queryOf, type AnyClient, type Connection, type IdleState, type Maybe, type QueryResult,
  type Source
} from './source.js'

/** The function that runs a mutation, and how its last run is going. */
export type Mutation<A extends unknown[], T> =
  [run: (...args: A) => Promise<T>, state: MutationState<T> & Resettable]

function useSource<S> (source: Source<S>): S {
  const subscribe = useCallback((listener: () => void) => source.subscribe(listener), [source])
  const read = (): S => source.state
  const readOnServer = (): S => source.serverState ?? source.state
  return useSyncExternalStore(subscribe, read, readOnServer)
}

/**
 * Returns the present result of a live query, and watches it as long as the component is there. A query that
 * is `undefined` or `null` is idle.
 *
 * @example
 * const { data, status, error } = useQuery(api.openOrders)
 */
export function useQuery<T> (query: LiveQuery<T>): QueryResult<T>
export function useQuery<T> (query: Maybe<LiveQuery<T>>): QueryResult<T> | IdleState
export function useQuery<T> (query: Maybe<LiveQuery<T>>): QueryResult<T> | IdleState {
  return useSource(queryOf(query))
}

/**
 * Returns the first rows of a list, and with `loadMore` more of them, all live.
 *
 * @example
 * const { data, hasMore, loadMore } = useInfinite<Order>(client, 'all-orders', {}, { limit: 20 })
 */
export function useInfinite<T = any> (
  client: Pick<AnyClient, 'query'>, query: string | Find, params: object | undefined, options: InfiniteOptions
): InfiniteState<T> & { readonly loadMore: () => void } {
  const limit = limitOf(client, options)
  const { key } = client.query(query, params, { page: { limit } })
  // The key says all of query, parameters and limit.
  const source = useMemo(() => infiniteOf<T>(client, query, params, options), [client, key])
  return { ...useSource(source), loadMore: source.loadMore }
}

/** Returns the state of the connection, why it is not open, and when it will be tried again. */
export function useConnection (client: Pick<AnyClient, 'state'>): Connection {
  return useSource(useMemo(() => connectionOf(client), [client]))
}

/**
 * Returns a function that sends a request, or makes a change that all live queries show at once, and how its
 * last run is going.
 *
 * @example
 * const [place, { isPending, error }] = useMutation(client, (tx, order: NewOrder) => {
 *   tx.bucket('orders').insert(order)
 * })
 */
export function useMutation<A extends unknown[], T> (run: (...args: A) => Promise<T>): Mutation<A, T>
export function useMutation<C extends AnyClient, A extends unknown[] = [members?: object], T = any> (
  client: C, what: Change<C, A> | string, options?: RequestOptions
): Mutation<A, T>
export function useMutation<A extends unknown[], T> (...definition: Definition<A, T>): Mutation<A, T> {
  const present = useRef(definition)
  useEffect(() => { present.current = definition })
  const mutation = useMemo(() => mutationOf(() => present.current), [])
  return [mutation.run, { ...useSource(mutation), reset: mutation.reset }]
}
