import type { Row } from '../rows/row.js'
import type { Engine } from '../commit/engine.js'
import { findSource, isWalkShorter, rangeOn } from './planner.js'
import type { FieldIndex } from '../index/field-index.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import { IndexWalk, orderedIndex } from './index-walk.js'
import type { SortOrder } from './sort-order.js'
import { visibility, type Selection } from './visit.js'

/** Rows of one value, null or absent, up to which they are gathered. */
const MAX_WITHOUT = 2_000

/**
 * Finds the first `count` records of an order by the ordered index of its first field. Returns `undefined`
 * where there is no such index, or another way is shorter: the walk gives up after some thousand rows.
 * `count` is at most 2,048.
 */
export function walkInOrder (
  engine: Engine, selection: Selection, { keys, compare }: SortOrder, count: number, meter: WorkMeter
): StoreRecord[] | undefined {
  const { bucket, filter } = selection
  const [first] = keys
  const index = first && orderedIndex(engine, bucket, first.field)
  // Texts that are searched may be long: they are looked at in slices.
  if (first === undefined || index?.ordered === undefined || filter?.searchesTexts === true) return undefined
  if (filter !== undefined && !isWalkShorter(bucket, findSource(bucket, filter), count)) return undefined
  const { ordered } = index
  const range = filter === undefined ? {} : rangeOn(index, filter)
  const isVisible = visibility(bucket)
  const found: StoreRecord[] = []
  const valueIn = (record: StoreRecord): unknown => index.valueOf(record) ?? null
  const walk = new IndexWalk(filter, count, meter)
  /**
   * Takes rows in until there are enough; those that follow the last value are needed only by another key.
   */
  const take = (rows: Iterable<Row>): 'enough' | 'all' | 'too long' => {
    let last: unknown
    for (const row of rows) {
      const record = row.record as StoreRecord
      if (found.length >= count && (keys.length === 1 || valueIn(record) !== last)) return 'enough'
      if (!walk.isOn()) return 'too long'
      if ((filter !== undefined && !filter.test(record)) || !isVisible(record)) continue
      found.push(record)
      last = valueIn(record)
    }
    return 'all'
  }
  let end = take(first.isDescending ? ordered.descending(range) : ordered.range(range))
  if (end === 'all' && found.length < count) {
    const rows = rowsWithout(index, MAX_WITHOUT)
    end = rows === undefined ? 'too long' : take(rows)
  }
  if (end === 'too long') return undefined
  return (keys.length === 1 ? found : found.sort(compare)).slice(0, count)
}

/**
 * Rows whose value is null or absent, in the order of their insertion; `undefined` where they are too many.
 */
function rowsWithout ({ hash }: FieldIndex, limit: number): Row[] | undefined {
  if (hash.size(null) + hash.size(undefined) > limit) return undefined
  return [...hash.rows(null), ...hash.rows(undefined)].sort((a, b) => a.place - b.place)
}
