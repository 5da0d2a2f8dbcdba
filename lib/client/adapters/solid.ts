import { createEffect, createMemo, createSignal, onCleanup } from 'solid-js'
import type { Find, LiveQuery, RequestOptions } from '../types.js'
import { infiniteOf, type InfiniteOptions, type InfiniteState } from './infinite.js'
import { mutationOf, type Change, type Definition, type MutationState, type Resettable } from './mutation.js'
import {
  connectionOf, queryOf, type AnyClient, type Connection, type IdleState, type Maybe, type QueryResult,
  type Source
} from './source.js'

/** The function that runs a mutation, and how its last run is going. */
export type Mutation<A extends unknown[], T> =
  [run: (...args: A) => Promise<T>, state: MutationState<T> & Resettable]

/** A value, or the function that reads it from signals. */
export type MaybeAccessor<T> = T | (() => T)

const read = <T>(value: MaybeAccessor<T>): T => typeof value === 'function' ? (value as () => T)() : value

/** Follows a source as long as its owner is there; on a server it only reads. Each member is a signal. */
function membersOf<S extends object> (get: () => Source<S>, names: ReadonlyArray<keyof S>): S {
  const [changes, change] = createSignal(undefined, { equals: false })
  const source = createMemo(get)
  createEffect(() => {
    onCleanup(source().subscribe(() => { change() }))
    // It may have changed since it was rendered.
    change()
  })
  const state = createMemo(() => {
    changes()
    return source().state
  })
  const members = {} as S
  for (const name of names) Object.defineProperty(members, name, { get: createMemo(() => state()[name]) })
  return members
}

/**
 * Returns the present result of a live query, each member a signal. A query that is `undefined` or `null` is
 * idle; a function is followed.
 *
 * @example
 * const orders = useQuery(() => client.query('orders-of', { customer: props.customer }))   // orders.data
 */
export function useQuery<T> (query: MaybeAccessor<LiveQuery<T>>): QueryResult<T>
export function useQuery<T> (query: MaybeAccessor<Maybe<LiveQuery<T>>>): QueryResult<T> | IdleState
export function useQuery<T> (query: MaybeAccessor<Maybe<LiveQuery<T>>>): QueryResult<T> | IdleState {
  const names = ['data', 'status', 'error', 'hasMore', 'nextCursor'] as const
  return membersOf<QueryResult<T> | IdleState>(() => queryOf(read(query)), names)
}

/** Returns the first rows of a list, all live, each member a signal; `loadMore` asks for more of them. */
export function useInfinite<T = any> (
  client: Pick<AnyClient, 'query'>,
  query: MaybeAccessor<string | Find>,
  params: MaybeAccessor<object | undefined>,
  options: InfiniteOptions
): InfiniteState<T> & { readonly loadMore: () => void } {
  const source = createMemo(() => infiniteOf<T>(client, read(query), read(params), options))
  const members = membersOf(source, ['data', 'status', 'error', 'hasMore', 'isLoadingMore'])
  return Object.assign(members, { loadMore: () => { source().loadMore() } })
}

/** Returns the connection, each member a signal: its state, why it is not open, when it is tried again. */
export function useConnection (client: Pick<AnyClient, 'state'>): Connection {
  return membersOf(() => connectionOf(client), ['status', 'error', 'retryAt', 'transport'])
}

/**
 * Returns a function that sends a request, or makes a change that all live queries show at once, and how its
 * last run is going, each member a signal.
 */
export function useMutation<A extends unknown[], T> (run: (...args: A) => Promise<T>): Mutation<A, T>
export function useMutation<C extends AnyClient, A extends unknown[] = [members?: object], T = any> (
  client: C, what: Change<C, A> | string, options?: RequestOptions
): Mutation<A, T>
export function useMutation<A extends unknown[], T> (...definition: Definition<A, T>): Mutation<A, T> {
  const mutation = mutationOf(() => definition)
  const members = membersOf(() => mutation, ['isPending', 'data', 'error'])
  return [mutation.run, Object.assign(members, { reset: mutation.reset })]
}
