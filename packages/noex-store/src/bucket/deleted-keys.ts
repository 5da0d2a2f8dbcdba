import type { Row } from '../rows/row.js'
import type { RowSequence } from '../rows/row-sequence.js'
import type { StoreRecord } from '../types/record.js'

/** Version and place that the last record of a deleted key had. */
interface DeletedKey {
  readonly version: number
  readonly place: number
}

/** A remembered key, between the one that was deleted before it and the one after. */
export interface DeletedEntry extends DeletedKey {
  readonly key: unknown
  older: DeletedEntry | undefined
  newer: DeletedEntry | undefined
}

/** State that a deleted key has pushed out, for taking the deletion back. */
export interface Forgotten {
  readonly entry: DeletedEntry | undefined
  readonly floor: number
}

/**
 * Remembers the newest deleted keys of a bucket, so that no version of a key is given twice and a cursor goes
 * on from a deleted record. The version of what is forgotten raises a floor above which every new key starts.
 * An entry that is taken out knows its neighbours, so that changes which are taken back, the last one first,
 * leave the order as it was.
 */
export class DeletedKeys {
  readonly #keys = new Map<unknown, DeletedEntry>()
  readonly #limit: number
  #oldest: DeletedEntry | undefined
  #newest: DeletedEntry | undefined
  #floor = 0

  /** `limit` is the number of keys remembered. */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** Highest version among forgotten keys. */
  get floor (): number {
    return this.#floor
  }

  get size (): number {
    return this.#keys.size
  }

  get (key: unknown): DeletedEntry | undefined {
    return this.#keys.get(key)
  }

  /** The version that a new record of this key gets. */
  nextVersion (key: unknown): number {
    return (this.#keys.get(key)?.version ?? this.#floor) + 1
  }

  /** Adds a key as the newest one. Returns what is forgotten for it, `undefined` where nothing is. */
  add (key: unknown, version: number, place: number): Forgotten | undefined {
    this.take(key)
    const entry: DeletedEntry = { key, version, place, older: this.#newest, newer: undefined }
    this.#link(entry)
    if (this.#keys.size <= this.#limit) return undefined
    const forgotten = { entry: this.#oldest, floor: this.#floor }
    const oldest = this.#oldest as DeletedEntry
    this.#unlink(oldest)
    this.raiseFloor(oldest.version)
    return forgotten
  }

  /** Takes back an `add`. */
  undoAdd (key: unknown, forgotten: Forgotten | undefined): void {
    // In the opposite order: with a limit of 0 the key has forgotten itself.
    if (forgotten?.entry !== undefined) this.restore(forgotten.entry, forgotten.floor)
    this.take(key)
  }

  /** Forgets a key that has a record again, and returns what was known. */
  take (key: unknown): DeletedEntry | undefined {
    const entry = this.#keys.get(key)
    if (entry !== undefined) this.#unlink(entry)
    return entry
  }

  /** Puts an entry back between its neighbours, which must be those of when it was taken out. */
  restore (entry: DeletedEntry, floor = this.#floor): void {
    this.#link(entry)
    this.#floor = floor
  }

  raiseFloor (version: number): void {
    if (version > this.#floor) this.#floor = version
  }

  /** Sets the floor back, for what is taken back. */
  lowerFloor (version: number): void {
    this.#floor = version
  }

  /** The entries, the oldest first. */
  * entries (): Generator<[unknown, DeletedKey], undefined> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) yield [entry.key, entry]
  }

  /** A list of the entries as they are now, the oldest first; without an iterator, in one short step. */
  list (): DeletedEntry[] {
    const list = new Array<DeletedEntry>(this.size)
    let count = 0
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) list[count++] = entry
    return list
  }

  #link (entry: DeletedEntry): void {
    if (entry.older === undefined) this.#oldest = entry
    else entry.older.newer = entry
    if (entry.newer === undefined) this.#newest = entry
    else entry.newer.older = entry
    this.#keys.set(entry.key, entry)
  }

  #unlink (entry: DeletedEntry): void {
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
    this.#keys.delete(entry.key)
  }
}

/** Keys that a bucket has and had. */
interface KnownKeys {
  readonly contents: { readonly sequence: RowSequence }
  readonly deleted: DeletedKeys
  keyOf: (key: unknown) => unknown
  row: (key: unknown) => Row | undefined
}

/** The place of a record in the bucket before, and in the one that replaces it. */
type PlacePair = readonly [before: number, now: number]

/**
 * Returns what a bucket must remember of the one that it replaces: keys that were deleted there, and those
 * that have no record here. Each place is that of the record before it, where a cursor goes on.
 */
export function deletedSince (former: KnownKeys, bucket: KnownKeys): Array<readonly [unknown, DeletedKey]> {
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
