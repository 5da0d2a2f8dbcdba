import type { Selection } from './visit.js'

/**
 * Returns the number of records that match where it is known without looking at any, `undefined` elsewhere.
 */
export function countNow ({ bucket, filter }: Selection): number | undefined {
  if (bucket.hasOverdue) return undefined
  if (filter === undefined) return bucket.size
  const [condition] = filter.conditions
  if (filter.conditions.length + filter.choices.length !== 1 || condition?.lookup?.kind !== 'equal') {
    return undefined
  }
  return bucket.contents.byField.get(condition.field)?.hash.size(condition.lookup.value)
}
