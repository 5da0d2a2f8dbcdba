import type { LiveRequest } from '../support/live-client.js'

/** The rows and ends of a view at one moment. */
export interface Shown {
  readonly request: LiveRequest
  readonly data: unknown
  readonly hasMore: boolean | undefined
  readonly nextCursor: string | null | undefined
}

/** A page, and where it stands in the whole list. */
interface Place {
  readonly from: number
  /** Index behind its last row. */
  readonly end: number
}

/**
 * Returns where a page stands in the list that it is of; `undefined` for an empty one, and a text for what is
 * wrong with it. `isSame` compares two rows.
 */
export function placeOf (
  { request, data, hasMore }: Shown, list: readonly unknown[], isSame: (a: unknown, b: unknown) => boolean
): Place | string | undefined {
  const rows = data as readonly unknown[]
  const { after } = request.page as NonNullable<LiveRequest['page']>
  if (rows.length === 0) return after === undefined && list.length > 0 && !hasMore ? 'it is empty' : undefined
  const from = list.findIndex(row => isSame(row, rows[0]))
  if (from === -1) return 'its first row is not in the list'
  const end = from + rows.length
  if (!rows.every((row, i) => isSame(row, list[from + i]))) return 'it is no part of the list'
  if (after === undefined && from > 0) return 'it is the first page, and rows are before it'
  const behind = list.length - end
  if (hasMore !== (behind > 0)) return `hasMore is ${hasMore}, with ${behind} rows behind it`
  return { from, end }
}

/** Returns what is wrong with the pages of one client that go on from each other. */
export function chainProblem (
  pages: readonly Shown[], list: readonly unknown[], isSame: (a: unknown, b: unknown) => boolean
): string | undefined {
  for (const page of pages) {
    const place = placeOf(page, list, isSame)
    if (typeof place !== 'object') continue
    for (const next of pages) {
      if (next.request.page?.after !== page.nextCursor) continue
      const nextPlace = placeOf(next, list, isSame)
      if (typeof nextPlace !== 'object' || nextPlace.from === place.end) continue
      return `a page ends at ${place.end}, and the next one begins at ${nextPlace.from}`
    }
  }
  return undefined
}
