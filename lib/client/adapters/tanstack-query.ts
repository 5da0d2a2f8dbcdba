import type { DataTag, Query, QueryClient, QueryFunctionContext } from '@tanstack/query-core'
import type { NoexClientError } from '../errors.js'
import type { LiveQuery } from '../types.js'

type Key = readonly ['noex', string]

/** The options of a query of TanStack Query, for each framework's `useQuery`. */
export interface LiveQueryOptions<T> {
  readonly queryKey: DataTag<Key, T, NoexClientError>
  readonly queryFn: (context: QueryFunctionContext<any>) => Promise<T>
  /** Never stale while it is live. */
  readonly staleTime: (query: Query<any, any, any, any>) => number
  /** The client of fastify-noex knows itself when there is a network, and tries again. */
  readonly networkMode: 'always'
  readonly retry: false
  /** Rows that have not changed are the same objects already. */
  readonly structuralSharing: false
}

const followed = new WeakSet<object>()

/**
 * Returns options with which TanStack Query has the result of a live query, and each of its changes, as long as
 * a component uses it.
 *
 * @example
 * const { data, isPending, error } = useQuery(queryOptions(client.query<Order[]>('open-orders')))
 */
export function queryOptions<T> (query: LiveQuery<T>): LiveQueryOptions<T> {
  return {
    queryKey: ['noex', query.key] as unknown as DataTag<Key, T, NoexClientError>,
    async queryFn ({ client, queryKey, signal }) {
      const entry = client.getQueryCache().find({ queryKey, exact: true })
      if (entry !== undefined && !followed.has(entry)) follow(client, entry, query)
      return await firstResult(query, signal)
    },
    staleTime: entry => followed.has(entry) ? Infinity : 0,
    networkMode: 'always',
    retry: false,
    structuralSharing: false
  }
}

/** Resolves with the result of a query, its first one where there is none yet. Rejects with its error. */
async function firstResult<T> (query: LiveQuery<T>, signal: AbortSignal): Promise<T> {
  let end = (): void => {}
  try {
    return await new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const { data, status, error } = query.state
        if (status === 'error') reject(error as NoexClientError)
        else if (data !== undefined) resolve(data)
      }
      end = query.subscribe(look)
      signal.addEventListener('abort', () => { reject(signal.reason as Error) })
      look()
    })
  } finally {
    end()
  }
}

/** Writes the changes of a query into its entry of the cache, as long as that has observers. */
function follow<T> (client: QueryClient, entry: Query<any, any, any, any>, query: LiveQuery<T>): void {
  let end: (() => void) | undefined
  const write = (): void => {
    const { data, status, error } = query.state
    if (status === 'error') entry.setState({ status, error, fetchStatus: 'idle' })
    else if (data !== undefined && (data !== entry.state.data || entry.state.status === 'error')) {
      client.setQueryData(entry.queryKey, data)
    }
  }
  const look = (): void => {
    if (entry.getObserversCount() === 0) {
      end = void end?.()
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
