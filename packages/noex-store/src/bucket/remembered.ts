import type { RememberedKeys } from '../types/commit.js'
import type { Bucket } from './bucket.js'

type RememberedKey = RememberedKeys['deleted'][number]

/** Returns the deleted keys that a bucket remembers; `undefined` where there are none. */
export function rememberedOf (bucket: Bucket): RememberedKeys | undefined {
  const { deleted: { size, floor }, contents: { sequence } } = bucket
  if (size === 0 && floor === 0) return undefined
  const places = Array.from(sequence.from(0), row => row.place)
  return { floor, deleted: deletedOf(bucket, places) }
}

/** The deleted keys of a bucket, oldest first; `places` are those of its records. */
export function deletedOf ({ deleted }: Bucket, places: readonly number[]): RememberedKey[] {
  return Array.from(
    deleted.entries(), ([key, { version, place }]) => [key, version, countBefore(places, place)] as const
  )
}

/** Counts the places up to `place`, which itself may be that of the record before a deleted one. */
export function countBefore (places: readonly number[], place: number): number {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((places[middle] as number) <= place) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Gives the steps that put what another bucket remembered of deleted keys into one that has its records
 * already. Of two versions of a key the higher one is kept.
 */
export function * remembering (
  bucket: Bucket, { floor, deleted }: RememberedKeys
): Generator<() => void, undefined> {
  const { sequence, rows } = bucket.contents
  const first = sequence.from(0)[Symbol.iterator]().next().value?.place ?? sequence.nextPlace
  bucket.deleted.raiseFloor(floor)
  for (const [name, version, position] of deleted) {
    yield () => {
      const key = bucket.keyOf(name)
      const known = bucket.deleted.get(key)?.version ?? 0
      // A cursor goes on with the record that comes next: the place is just before that one.
      if (!rows.has(key) && version > known) bucket.deleted.add(key, version, first + position - 1)
    }
  }
  return undefined
}

/**
 * Reads what was saved of deleted keys. A state of before, which has nothing of it, may have had keys up to
 * the highest version of its records.
 */
export function readRemembered (
  saved: unknown, records: ReadonlyArray<{ readonly _version?: unknown }>
): RememberedKeys {
  const { floor, deleted } = (saved ?? {}) as Partial<RememberedKeys>
  if (isVersion(floor) && Array.isArray(deleted)) {
    return { floor, deleted: (deleted as unknown[]).filter(isRememberedKey) }
  }
  const highest = records.reduce(
    (most, { _version }) => isVersion(_version) ? Math.max(most, _version) : most, 0
  )
  return { floor: highest, deleted: [] }
}

function isRememberedKey (entry: unknown): entry is RememberedKey {
  return Array.isArray(entry) && entry.length === 3 && isVersion(entry[1]) && isVersion(entry[2])
}

function isVersion (value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
