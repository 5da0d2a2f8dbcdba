import {
  computed, shallowRef, toRaw, toValue, triggerRef, watchPostEffect, type ComputedRef, type MaybeRefOrGetter
} from 'vue'
import type { Find, LiveQuery, RequestOptions } from '../types.js'
import { infiniteOf, type InfiniteOptions, type InfiniteState } from './infinite.js'
import { mutationOf, type Change, type Definition, type MutationState, type Resettable } from './mutation.js'
import {
  connectionOf, queryOf, type AnyClient, type Connection, type IdleState, type Maybe, type QueryResult,
  type Source
} from './source.js'

/** The function that runs a mutation, and how its last run is going. */
export type Mutation<A extends unknown[], T> =
  [run: (...args: A) => Promise<T>, state: StateRefs<MutationState<T>> & Resettable]

/** Refs to the members of a state. */
export type StateRefs<S> = { readonly [K in keyof S]: ComputedRef<S[K]> }

/** Follows a source as long as the present scope is there; on a server it only reads. */
function refsTo<S extends object> (source: () => Source<S>, names: ReadonlyArray<keyof S>): StateRefs<S> {
  const changes = shallowRef(source)
  watchPostEffect(onCleanup => {
    const present = source()
    onCleanup(present.subscribe(() => { triggerRef(changes) }))
    // It may have changed since it was rendered.
    triggerRef(changes)
  })
  const state = computed(() => changes.value().state)
  return Object.fromEntries(names.map(name => [name, computed(() => state.value[name])])) as StateRefs<S>
}

/**
 * Returns refs to the present result of a live query. A query that is `undefined` or `null` is idle; a getter
 * is followed.
 *
 * @example
 * const { data, status, error } = useQuery(() => client.query('orders-of', { customer: props.customer }))
 */
export function useQuery<T> (
  query: MaybeRefOrGetter<Maybe<LiveQuery<T>>>
): StateRefs<QueryResult<T> | IdleState> {
  const names = ['data', 'status', 'error', 'hasMore', 'nextCursor'] as const
  return refsTo<QueryResult<T> | IdleState>(() => queryOf(toRaw(toValue(query))), names)
}

/** Returns refs to the first rows of a list, all live; `loadMore` asks for more of them. */
export function useInfinite<T = any> (
  client: Pick<AnyClient, 'query'>,
  query: MaybeRefOrGetter<string | Find>,
  params: MaybeRefOrGetter<object | undefined>,
  options: InfiniteOptions
): StateRefs<InfiniteState<T>> & { readonly loadMore: () => void } {
  const source = computed(() => infiniteOf<T>(client, toValue(query), toValue(params), options))
  const names = ['data', 'status', 'error', 'hasMore', 'isLoadingMore'] as const
  return { ...refsTo(() => source.value, names), loadMore: () => { source.value.loadMore() } }
}

/** Returns refs to the state of the connection, why it is not open, and when it will be tried again. */
export function useConnection (client: Pick<AnyClient, 'state'>): StateRefs<Connection> {
  const source = connectionOf(client)
  return refsTo(() => source, ['status', 'error', 'retryAt', 'transport'])
}

/**
 * Returns a function that sends a request, or makes a change that all live queries show at once, and refs to
 * how its last run is going.
 */
export function useMutation<A extends unknown[], T> (run: (...args: A) => Promise<T>): Mutation<A, T>
export function useMutation<C extends AnyClient, A extends unknown[] = [members?: object], T = any> (
  client: C, what: Change<C, A> | string, options?: RequestOptions
): Mutation<A, T>
export function useMutation<A extends unknown[], T> (...definition: Definition<A, T>): Mutation<A, T> {
  const mutation = mutationOf(() => definition)
  return [mutation.run, { ...refsTo(() => mutation, ['isPending', 'data', 'error']), reset: mutation.reset }]
}
