import type { Engine } from '../commit/engine.js'
import { isExactRange, rangeOn } from './planner.js'
import { orderedIndex } from './index-walk.js'
import type { Selection } from './visit.js'

/**
 * Returns the number of records that match where it is known without looking at any, `undefined` elsewhere.
 */
export function countNow (engine: Engine, { bucket, filter }: Selection): number | undefined {
  if (bucket.hasOverdue) return undefined
  if (filter === undefined) return bucket.size
  const [first] = filter.conditions
  if (first?.lookup === undefined || filter.choices.length > 0) return undefined
  const index = bucket.contents.byField.get(first.field)
  if (index === undefined) return undefined
  const { hash } = index
  if (first.lookup.kind === 'range') {
    if (!filter.conditions.every(condition => isExactRange(condition, index))) return undefined
    return orderedIndex(engine, bucket, first.field)?.ordered?.count(rangeOn(index, filter))
  }
  if (filter.conditions.length > 1) return undefined
  if (first.lookup.kind === 'equal') return hash.size(first.lookup.value)
  return first.lookup.values.reduce<number>((sum, value) => sum + hash.size(value), 0)
}
