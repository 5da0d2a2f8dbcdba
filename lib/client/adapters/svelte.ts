import type { Find, LiveQuery, RequestOptions } from '../types.js'
import { infiniteOf, type InfiniteOptions, type InfiniteState } from './infinite.js'
import { mutationOf, type Change, type Definition, type MutationState, type Resettable } from './mutation.js'
import {
  connectionOf, queryOf, type AnyClient, type Connection, type IdleState, type Maybe, type QueryResult,
  type Source
} from './source.js'

/** The function that runs a mutation, and how its last run is going. */
export type Mutation<A extends unknown[], T> =
  [run: (...args: A) => Promise<T>, state: Store<MutationState<T>> & Resettable]

/** A store of Svelte, which `$` reads: of any version of it. `fromStore` makes it a state of Svelte 5. */
export interface Store<S> {
  readonly subscribe: (run: (value: S) => void, invalidate?: () => void) => () => void
}

function storeOf<S> (source: Source<S>): Store<S> {
  return {
    subscribe (run) {
      let shown = source.state
      let isEnded = false
      let end = (): void => {}
      const show = (): void => {
        if (isEnded || source.state === shown) return
        shown = source.state
        run(shown)
      }
      run(shown)
      // Later: a component that is rendered on a server has left again by then.
      queueMicrotask(() => {
        if (isEnded) return
        end = source.subscribe(show)
        show()
      })
      return () => {
        isEnded = true
        end()
      }
    }
  }
}

/**
 * Returns a store of the present result of a live query. A query that is `undefined` or `null` is idle.
 *
 * @example
 * const orders = useQuery(api.openOrders)   // $orders.data, $orders.status, $orders.error
 */
export function useQuery<T> (query: LiveQuery<T>): Store<QueryResult<T>>
export function useQuery<T> (query: Maybe<LiveQuery<T>>): Store<QueryResult<T> | IdleState>
export function useQuery<T> (query: Maybe<LiveQuery<T>>): Store<any> {
  return storeOf(queryOf(query))
}

/** Returns a store of the first rows of a list, all live; `loadMore` asks for more of them. */
export function useInfinite<T = any> (
  client: Pick<AnyClient, 'query'>, query: string | Find, params: object | undefined, options: InfiniteOptions
): Store<InfiniteState<T>> & { readonly loadMore: () => void } {
  const source = infiniteOf<T>(client, query, params, options)
  return { ...storeOf(source), loadMore: source.loadMore }
}

/** Returns a store of the connection: its state, why it is not open, and when it will be tried again. */
export function useConnection (client: Pick<AnyClient, 'state'>): Store<Connection> {
  return storeOf(connectionOf(client))
}

/**
 * Returns a function that sends a request, or makes a change that all live queries show at once, and a store
 * of how its last run is going.
 */
export function useMutation<A extends unknown[], T> (run: (...args: A) => Promise<T>): Mutation<A, T>
export function useMutation<C extends AnyClient, A extends unknown[] = [members?: object], T = any> (
  client: C, what: Change<C, A> | string, options?: RequestOptions
): Mutation<A, T>
export function useMutation<A extends unknown[], T> (...definition: Definition<A, T>): Mutation<A, T> {
  const mutation = mutationOf(() => definition)
  return [mutation.run, { ...storeOf(mutation), reset: mutation.reset }]
}
