import { checkOptions, mustBe } from '../checks.js'
import type { NoexClientError } from '../errors.js'
import type { Find, LiveQuery, QueryStatus } from '../types.js'
import { createSource, type AnyClient, type Source } from './source.js'

/** The options of `useInfinite`. */
export interface InfiniteOptions {
  /** Rows of a page. */
  readonly limit: number
}

/** A long list of which the first rows are shown, and more when they are asked for. */
export interface InfiniteState<T> {
  /** The rows of all pages; `undefined` before the first page. */
  readonly data: readonly T[] | undefined
  readonly status: QueryStatus
  readonly error: NoexClientError | undefined
  /** Whether rows follow. */
  readonly hasMore: boolean
  /** Whether a page that was asked for is still on its way. */
  readonly isLoadingMore: boolean
}

/** The pages of a list as one source. */
export interface InfiniteSource<T> extends Source<InfiniteState<T>> {
  /** Asks for the next page; does nothing where no rows follow, or while one is on its way. */
  readonly loadMore: () => void
}

/** Returns the rows of a page. @throws `TypeError` for wrong options, or what is no client */
export function limitOf (client: Pick<AnyClient, 'query'>, options: InfiniteOptions): number {
  mustBe('useInfinite: client.query (of a client by createClient)', Object(client).query, 'a function')
  const { limit } = checkOptions('useInfinite', options, { limit: 'a number above 0' })
  mustBe('useInfinite: limit', limit, 'a number above 0')
  return limit
}

/**
 * Returns the pages of a list as one. All of them are live. Each begins at the cursor of the one before, so
 * that a row is in one of them only, however rows move.
 * @throws `TypeError` for a wrong argument
 */
export function infiniteOf<T> (
  client: Pick<AnyClient, 'query'>,
  query: string | Find,
  params: object | undefined,
  options: InfiniteOptions
): InfiniteSource<T> {
  const limit = limitOf(client, options)
  let wanted = 1
  let shown = 0
  let generation: number | undefined
  let parts: Array<readonly T[] | undefined> = []
  let isStarted = false
  let isChaining = false
  let pages: Array<{ readonly page: LiveQuery<readonly T[]>, readonly end: () => void }> = []

  /** Brings the pages to the cursors of now: after a pause, the one before may end elsewhere. */
  function chain (): void {
    const old = pages
    let after: string | null | undefined
    pages = []
    isChaining = true
    do {
      const bounds = { limit, ...(after && { after }) }
      const page: LiveQuery<readonly T[]> = client.query(query, params, { page: bounds })
      const present = old.find(other => other.page === page)
      pages.push(present ?? { page, end: isStarted ? page.subscribe(update) : () => {} })
      after = page.state.hasMore === true ? page.state.nextCursor : undefined
    } while (after && pages.length < wanted)
    isChaining = false
    for (const entry of old) if (!pages.includes(entry)) entry.end()
  }

  function read (last: InfiniteState<T> | undefined): InfiniteState<T> {
    const states = pages.map(({ page }) => page.state)
    const loaded = states.filter(({ data }) => data !== undefined)
    const failed = states.find(({ status }) => status === 'error')
    const isLoading = failed === undefined && loaded.length < states.length
    // Pages that are asked for anew after a pause: until they have come, the rows of before are shown, unless
    // they were those of another user.
    const former = generation
    generation = pages[0]?.page.generation
    const isHeld = isLoading && loaded.length < shown && generation === former
    const before = parts
    if (!isHeld) {
      shown = loaded.length
      parts = loaded.map(({ data }) => data)
    }
    const isSame = before.length === parts.length && before.every((part, index) => part === parts[index])
    const { status, error } = failed ?? states.find(other => other.status === 'stale') ?? states[0]!
    return {
      data: isSame ? last?.data : parts.length > 0 ? (parts as T[][]).flat() : undefined,
      status,
      error,
      hasMore: loaded.at(-1)?.hasMore === true,
      isLoadingMore: isLoading && loaded.length > 0
    }
  }

  function update (): void {
    if (isChaining) return
    chain()
    source.set(read(source.state))
  }

  chain()
  const source = createSource(read(undefined), () => {
    isStarted = true
    pages = []
    update()
    return () => {
      isStarted = false
      for (const { end } of pages) end()
    }
  })
  return {
    get state () { return source.state },
    subscribe: source.subscribe,
    loadMore () {
      if (!source.state.hasMore || source.state.isLoadingMore) return
      wanted = pages.length + 1
      update()
    }
  }
}
