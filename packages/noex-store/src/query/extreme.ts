import { isCounted, withoutNegativeZero } from './aggregate.js'
import type { Engine } from '../commit/engine.js'
import { findSource, isWalkShorter, rangeOn } from './planner.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import { visibility, type Selection } from './visit.js'
import { IndexWalk, orderedIndex } from './index-walk.js'

/**
 * Finds the lowest or highest finite number of a field by going along its ordered index to the first record
 * that matches. Returns `undefined` where there is no such index or number, or another way is shorter: the
 * walk gives up after some thousand rows.
 */
export function extremeByIndex (
  engine: Engine, { bucket, filter }: Selection, field: string, isHighest: boolean, meter: WorkMeter
): number | undefined {
  const options = bucket.contents.byField.get(field)?.options
  // Dates are kept as milliseconds there, and are no numbers in an aggregate.
  if (options?.scalarType !== 'number' || options.normalize !== undefined) return undefined
  const index = orderedIndex(engine, bucket, field)
  if (index?.ordered === undefined || filter?.searchesTexts === true) return undefined
  if (filter !== undefined && !isWalkShorter(bucket, findSource(bucket, filter), 1)) return undefined
  const range = filter === undefined ? {} : rangeOn(index, filter)
  const isVisible = visibility(bucket)
  const walk = new IndexWalk(filter, 1, meter)
  for (const row of isHighest ? index.ordered.descending(range) : index.ordered.range(range)) {
    if (!walk.isOn()) break
    const record = row.record as StoreRecord
    if ((filter !== undefined && !filter.test(record)) || !isVisible(record)) continue
    const value = index.valueOf(record) as number
    if (isCounted(value)) return withoutNegativeZero(value)
  }
  return undefined
}
