import type { Bucket } from '../bucket/bucket.js'
import { inOrder } from '../index/in-order.js'
import type { Row } from '../rows/row.js'
import type { WhereFilter } from '../types/filter.js'

/** Rows that are answered without a plan. */
const MAX_ROWS = 20_000

/**
 * Returns the rows for a filter that is one plain value of an indexed field: the index has just those, so the
 * filter need not even be compiled. `undefined` for every other filter.
 */
export function findByField (bucket: Bucket, filter: WhereFilter): Row[] | undefined {
  let field: string | undefined
  for (const name in filter) {
    if (field !== undefined) return undefined
    field = name
  }
  if (field === undefined) return undefined
  const index = bucket.contents.byField.get(field)
  const value: unknown = filter[field]
  // Objects may be operators or dates; NaN equals nothing, but a map would find it.
  if (index === undefined || (typeof value === 'object' && value !== null) || Number.isNaN(value)) {
    return undefined
  }
  const { normalize } = index.options
  const wanted = normalize === undefined ? value : normalize(value)
  const size = index.hash.size(wanted)
  return size > MAX_ROWS
    ? undefined
    : inOrder([...index.hash.rows(wanted)])
}
