import type { StoreRecord } from '../types/record.js'
import type { Bucket } from './bucket.js'
import type { DeletedKey } from './deleted-keys.js'

/** The place of a record in the bucket before, and in the one that replaces it. */
type PlacePair = readonly [before: number, now: number]

/**
 * Returns what a bucket must remember of the one that it replaces: keys that were deleted there, and those
 * that have no record here. Each place is that of the record before it, where a cursor goes on.
 */
export function deletedSince (former: Bucket, bucket: Bucket): Array<readonly [unknown, DeletedKey]> {
  const kept: PlacePair[] = []
  const deleted: Array<readonly [unknown, DeletedKey]> = [...former.deleted.entries()]
  for (const row of former.contents.sequence.from(0)) {
    const here = bucket.row(row.key)
    if (here !== undefined) kept.push([row.place, here.place])
    else deleted.push([row.key, { version: (row.record as StoreRecord)._version, place: row.place }])
  }
  return deleted
    .filter(([key]) => bucket.row(key) === undefined)
    .map(([key, { version, place }]) =>
      [bucket.keyOf(key), { version, place: placeIn(kept, place) }] as const)
}

/** The new place of the last record up to an old place, which may be one of a former rebuild; -1 for none. */
function placeIn (kept: readonly PlacePair[], place: number): number {
  let low = 0
  let high = kept.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((kept[middle] as PlacePair)[0] <= place) low = middle + 1
    else high = middle
  }
  return kept[low - 1]?.[1] ?? -1
}
