import type { LiveQuery } from '../types.js'
import { checkQuery } from './source.js'
import type { CacheEntry, QueryContext, QueryCacheOwner } from './tanstack-types.js'

/** The entries of caches that have the changes of a live query. */
const followed = new WeakSet<object>()

/**
 * Returns options with which TanStack Query has the result of a live query, and each of its changes as long
 * as a component uses it.
 *
 * @throws `TypeError` for what is no live query
 * @example
 * const { data, isPending, error } = useQuery(queryOptions(client.query<Order[]>('open-orders')))
 */
export function queryOptions<T> (query: LiveQuery<T>) {
  checkQuery('queryOptions', query)
  return {
    queryKey: ['noex', query.key] as const,
    async queryFn ({ client, queryKey, signal }: QueryContext): Promise<T> {
      const entry = client.getQueryCache().find({ queryKey, exact: true })
      if (entry !== undefined && !followed.has(entry)) follow(client, entry, query)
      return await resultOf(query, signal)
    },
    staleTime: (entry: object): number => followed.has(entry) ? Infinity : 0,
    // The client itself knows when there is a network, and tries again.
    networkMode: 'always' as const,
    retry: false as const,
    // Rows that have not changed are the same objects already.
    structuralSharing: false as const
  }
}

/** Resolves with the result of a query, its first one where there is none yet. Rejects with its error. */
async function resultOf<T> (query: LiveQuery<T>, signal: AbortSignal): Promise<T> {
  let end = (): void => {}
  return await new Promise<T>((resolve, reject) => {
    const look = (): void => {
      const { data, status, error } = query.state
      if (status === 'error') reject(error)
      else if (data !== undefined) resolve(data)
    }
    end = query.subscribe(look)
    signal.addEventListener('abort', ({ target }) => {
      const { reason } = target as AbortSignal
      reject(reason)
    })
    look()
  }).finally(() => { end() })
}

/** Writes the changes of a query into its entry of the cache, as long as that has observers. */
function follow (client: QueryCacheOwner, entry: CacheEntry, query: LiveQuery<unknown>): void {
  let end: (() => void) | undefined
  let { generation } = query
  const write = (): void => {
    const { data, status, error } = query.state
    const isForgotten = generation !== query.generation
    generation = query.generation
    if (status === 'error') entry.setState({ status, error, data, fetchStatus: 'idle' })
    else if (data === undefined) {
      if (isForgotten) entry.setState({ status: 'pending', error: null, data, fetchStatus: 'idle' })
    } else if (data !== entry.state.data || entry.state.status === 'error') {
      client.setQueryData(entry.queryKey, data)
    }
  }
  const look = (): void => {
    if (entry.getObserversCount() === 0) {
      end?.()
      end = undefined
    } else if (end === undefined) {
      end = query.subscribe(write)
      write()
    }
  }
  const leave = client.getQueryCache().subscribe(({ type, query: changed }) => {
    if (changed !== entry) return
    if (type === 'removed') leave()
    if (type === 'removed' || type.startsWith('observer')) look()
  })
  followed.add(entry)
  look()
}
