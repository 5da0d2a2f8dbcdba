import type { Visit } from '../bucket/snapshot.js'
import type { Engine } from '../commit/engine.js'
import { BestOf } from '../scan/best-of.js'
import { sortInSlices } from '../scan/sort.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import type { SortOrder } from './sort-order.js'
import { visitMatches, type Selection } from './visit.js'
import { visitSome } from './visit-some.js'
import { walkInOrder } from './walk-in-order.js'
import { unitsOfSort, weightOf } from './work.js'

/** Records up to which the first ones of an order are kept while all are looked at; more are sorted. */
export const MAX_KEPT = 2_048

/** Part of the matching records that is wanted, and its order. */
interface FindWindow {
  /** `undefined`: the order of their insertion. */
  readonly order: SortOrder | undefined
  /** Records to pass over. */
  readonly offset: number
  /** Most records. */
  readonly limit: number
}

/**
 * Finds a part of the records that match. Without an order it ends when it has them; with one it goes along
 * the ordered index of the first field where that is short, else it looks at all that match and keeps the
 * first.
 */
export async function find (
  engine: Engine, selection: Selection, { order, offset, limit }: FindWindow, meter: WorkMeter
): Promise<StoreRecord[]> {
  const end = offset + limit
  if (limit === 0) return []
  const records: StoreRecord[] = []
  if (order === undefined || order.keys.length === 0) {
    const visit: Visit = record => records.push(record) < end
    if (end >= selection.bucket.size) await visitMatches(engine, selection, visit, { meter })
    else await visitSome(engine, selection, visit, { meter, count: end })
    return offset === 0 ? records : records.slice(offset)
  }
  if (end <= MAX_KEPT) {
    const inOrder = walkInOrder(engine, selection, order, end, meter)
    if (inOrder !== undefined) return inOrder.slice(offset)
    const best = new BestOf(end, order.compare)
    await visitMatches(engine, selection, record => {
      best.add(record)
      return undefined
    }, { meter, perMatch: order.keys.length })
    return best.items().slice(offset)
  }
  await visitMatches(engine, selection, record => {
    records.push(record)
    return undefined
  }, { meter })
  meter.take(unitsOfSort(records.length))
  const weight = weightOf(selection.bucket)
  return (await sortInSlices(records, order.compare, engine.slicer, weight)).slice(offset, end)
}
