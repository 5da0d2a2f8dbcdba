/**
 * The parts of TanStack that the adapters use. The types of its packages are not imported: those of two
 * versions, or of its two module formats, do not fit each other, and frameworks bring a copy of their own.
 */

/** An entry of the cache of TanStack Query. */
export interface CacheEntry {
  readonly queryKey: readonly unknown[]
  readonly state: { readonly data: unknown, readonly status: string }
  readonly getObserversCount: () => number
  readonly setState: (
    state: { status: 'error' | 'pending', error: any, data: any, fetchStatus: 'idle' }
  ) => void
}

/** A `QueryClient`. */
export interface QueryCacheOwner {
  readonly getQueryCache: () => {
    find: (filters: { queryKey: readonly unknown[], exact: true }) => CacheEntry | undefined
    subscribe: (listener: (event: { readonly type: string, readonly query: any }) => void) => () => void
  }
  readonly setQueryData: (key: readonly unknown[], data: any) => unknown
}

/** The argument of a `queryFn`. */
export interface QueryContext {
  readonly client: QueryCacheOwner
  readonly queryKey: readonly unknown[]
  readonly signal: AbortSignal
}

type Operation = 'insert' | 'update' | 'delete'

/** The argument of `onInsert`, `onUpdate` and `onDelete` of TanStack DB. */
export interface ChangedCollection<T> {
  readonly transaction: {
    readonly mutations: ReadonlyArray<{ type: Operation, key: unknown, modified: T, changes: object }>
  }
}

/** The argument of `sync` of TanStack DB. */
export interface CollectionSync<T> {
  readonly begin: () => void
  readonly write: (message: { type: Operation, value: T }) => void
  readonly commit: () => unknown
  readonly markReady: () => void
  readonly markError: (error?: unknown) => void
}
