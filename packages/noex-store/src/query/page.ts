import type { Bucket } from '../bucket/bucket.js'
import { compareKeys } from '../rows/compare-keys.js'
import type { Row } from '../rows/row.js'
import type { Engine } from '../commit/engine.js'
import { findSource, isWalkShorter } from './planner.js'
import type { OrderedIndex } from '../index/ordered-index.js'
import { BestOf } from '../scan/best-of.js'
import { sortInSlices } from '../scan/sort.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import { MAX_KEPT } from './find.js'
import { visibility, visitMatches, type Selection } from './visit.js'
import { visitSome } from './visit-some.js'
import { IndexWalk } from './index-walk.js'
import { unitsOfList, unitsOfSort, weightOf } from './work.js'

/** Records of a page that are listed in one go. */
const MAX_AT_ONCE = 20_000

/** The records of a page: at most `limit`, behind a place or key, or the last ones of all. */
export interface PageBounds {
  readonly limit: number
  /** Place of the first record in the order of insertion. */
  readonly place?: number
  /** Key that all keys of the page are greater than, in a bucket that is sorted by key. */
  readonly after?: unknown
  readonly isLast?: boolean
}

/** Returns a page in the order of the bucket: of its keys where it is sorted by them, else of insertion. */
export async function page (
  engine: Engine, selection: Selection, bounds: PageBounds, meter: WorkMeter
): Promise<StoreRecord[]> {
  const { bucket, filter } = selection
  const { limit, place = 0, isLast = false } = bounds
  if (limit === 0) return []
  const { byKey, sequence } = bucket.contents
  if (filter === undefined && !bucket.hasOverdue && limit <= MAX_AT_ONCE) {
    // The one that tells whether there are more does not count.
    meter.take(unitsOfList(Math.min(isLast ? limit : limit - 1, bucket.size)))
    const rows = byKey === undefined
      ? isLast ? sequence.backwards() : sequence.from(place)
      : rowsByKey(bucket, byKey, bounds)
    return inOrder(firstOf(rows, limit), isLast)
  }
  if (byKey !== undefined) return await pageByKey(engine, selection, byKey, bounds, meter)
  const records: StoreRecord[] = []
  const part = { meter, count: limit, place, isBackward: isLast }
  await visitSome(engine, selection, record => records.push(record) < limit, part)
  return inOrder(records, isLast)
}

async function pageByKey (
  engine: Engine, selection: Selection, byKey: OrderedIndex, bounds: PageBounds, meter: WorkMeter
): Promise<StoreRecord[]> {
  const { bucket } = selection
  const { limit, after, isLast = false } = bounds
  const walked = walkByKey(selection, byKey, bounds, meter)
  if (walked !== undefined) return walked
  const compare = (a: StoreRecord, b: StoreRecord): number => compareKeys(bucket.keyIn(a), bucket.keyIn(b))
  const records: StoreRecord[] = []
  const best = limit <= MAX_KEPT ? new BestOf(limit, compare, isLast) : undefined
  await visitMatches(engine, selection, record => {
    if (after !== undefined && compareKeys(bucket.keyIn(record), after) <= 0) return undefined
    if (best === undefined) records.push(record)
    else best.add(record)
    return undefined
  }, { meter, perMatch: 1 })
  if (best !== undefined) return best.items()
  meter.take(unitsOfSort(records.length))
  const sorted = await sortInSlices(records, compare, engine.slicer, weightOf(bucket))
  return isLast ? sorted.slice(Math.max(0, sorted.length - limit)) : sorted.slice(0, limit)
}

/** Finds a page along the keys where that is shorter than another way; gives up after some thousand rows. */
function walkByKey (
  { bucket, filter }: Selection, byKey: OrderedIndex, bounds: PageBounds, meter: WorkMeter
): StoreRecord[] | undefined {
  const { limit, isLast = false } = bounds
  if (limit > MAX_KEPT || filter?.searchesTexts === true) return undefined
  if (filter !== undefined && !isWalkShorter(bucket, findSource(bucket, filter), limit)) return undefined
  const isVisible = visibility(bucket)
  const records: StoreRecord[] = []
  const walk = new IndexWalk(filter, limit, meter)
  for (const row of rowsByKey(bucket, byKey, bounds)) {
    if (records.length >= limit || !walk.isOn()) break
    const record = row.record as StoreRecord
    if ((filter === undefined || filter.test(record)) && isVisible(record)) records.push(record)
  }
  return walk.isCut && records.length < limit ? undefined : inOrder(records, isLast)
}

function rowsByKey (
  bucket: Bucket, byKey: OrderedIndex, { after, isLast = false }: PageBounds
): Iterable<Row> {
  if (isLast) return byKey.backwards()
  if (after === undefined) return byKey.range({})
  return byKey.after(after as string, bucket.contents.rows.get(after)?.place ?? Infinity)
}

function firstOf (rows: Iterable<Row>, limit: number): StoreRecord[] {
  const records: StoreRecord[] = []
  for (const row of rows) if (records.push(row.record as StoreRecord) >= limit) break
  return records
}

function inOrder (records: StoreRecord[], isReversed: boolean): StoreRecord[] {
  return isReversed ? records.reverse() : records
}
