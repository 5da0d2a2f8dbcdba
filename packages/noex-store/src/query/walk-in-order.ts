import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../bucket/row.js'
import type { Engine } from '../engine.js'
import type { CompiledFilter } from '../filter/filter.js'
import { findSource, isWalkShorter, MIN_ORDERED, rangeOn } from '../filter/planner.js'
import { requestOrder } from '../index/build-ordered.js'
import type { FieldIndex } from '../index/field-index.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import type { SortOrder } from './sort-order.js'
import { visibility, type Selection } from './visit.js'

/** Records times conditions that a walk along an index looks at besides its result: it is done in one go. */
const MAX_WALK = 2_000

/** Rows of one value, null or absent, up to which they are gathered. */
const MAX_WITHOUT = 2_000

/** Returns the rows that a walk along an index may look at for `count` results. */
export function maxWalk (filter: CompiledFilter | undefined, count: number): number {
  return Math.floor((MAX_WALK + count) / Math.max(1, filter?.work ?? 0))
}

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
  const isVisible = visibility(engine, bucket)
  const found: StoreRecord[] = []
  const valueIn = (record: StoreRecord): unknown => index.valueOf(record) ?? null
  const limit = maxWalk(filter, count)
  let left = limit
  /**
   * Takes rows in until there are enough; those that follow the last value are needed only by another key.
   */
  const take = (rows: Iterable<Row>): 'enough' | 'all' | 'too long' => {
    let last: unknown
    for (const row of rows) {
      const record = row.record as StoreRecord
      if (found.length >= count && (keys.length === 1 || valueIn(record) !== last)) return 'enough'
      if (left-- === 0) return 'too long'
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
  meter.take((limit - left) * Math.max(1, filter?.work ?? 0))
  if (end === 'too long') return undefined
  return (keys.length === 1 ? found : found.sort(compare)).slice(0, count)
}

/** The index of a field if its order is there; begins to build it otherwise. */
export function orderedIndex (engine: Engine, bucket: Bucket, field: string): FieldIndex | undefined {
  const index = bucket.contents.byField.get(field)
  if (index !== undefined && bucket.size >= MIN_ORDERED) requestOrder(engine, bucket, index)
  return index?.ordered === undefined ? undefined : index
}

/**
 * Rows whose value is null or absent, in the order of their insertion; `undefined` where they are too many.
 */
function rowsWithout ({ hash }: FieldIndex, limit: number): Row[] | undefined {
  if (hash.size(null) + hash.size(undefined) > limit) return undefined
  return [...hash.rows(null), ...hash.rows(undefined)].sort((a, b) => a.place - b.place)
}
