import type { StoreRecord } from '../types/record.js'
import type { Contents } from './contents.js'
import type { Row } from './row.js'
import { lastPlace, placeAt, slotFrom, type Chunk } from './row-sequence.js'

/** Looks at a record; `false` ends the walk. */
export type Visit = (record: StoreRecord, row: Row) => boolean | undefined

interface Kept {
  readonly row: Row
  readonly record: StoreRecord
}

/**
 * The records of a bucket at one moment, walked in several steps between which the bucket may change: records
 * that change before the walk has come to them are kept as they were.
 */
export class Snapshot {
  readonly #contents: Contents
  readonly #chunks: readonly Chunk[]
  readonly #end: number
  readonly #kept = new Map<number, Kept>()
  #chunk = 0
  #slot = 0

  /** Begins at a place in the order of insertion. */
  constructor (contents: Contents, place = 0) {
    this.#contents = contents
    this.#chunks = contents.sequence.chunks.slice()
    this.#end = contents.sequence.nextPlace
    contents.snapshots.add(this)
    if (place === 0) return
    this.#chunk = this.#chunks.findIndex(chunk => lastPlace(chunk) >= place)
    if (this.#chunk === -1) this.#chunk = this.#chunks.length
    const first = this.#chunks[this.#chunk]
    if (first !== undefined) this.#slot = slotFrom(first, place)
  }

  /** Keeps the record of a row that is about to change. */
  keep (row: Row): void {
    if (row.place >= this.#end || this.#kept.has(row.place)) return
    const chunk = this.#chunks[this.#chunk]
    if (chunk === undefined) return
    const next = this.#slot < chunk.slots.length ? placeAt(chunk, this.#slot) : lastPlace(chunk) + 1
    if (row.place < next) return
    this.#kept.set(row.place, { row, record: row.record as StoreRecord })
  }

  /** Walks on over at most `limit` places. Returns whether the walk is at its end. */
  step (visit: Visit, limit: number): boolean {
    for (let left = limit; left > 0; left--) {
      const chunk = this.#chunks[this.#chunk]
      if (chunk === undefined) return this.close()
      if (this.#slot >= chunk.slots.length) {
        this.#chunk++
        this.#slot = 0
        continue
      }
      const slot = this.#slot++
      const place = placeAt(chunk, slot)
      if (place >= this.#end) return this.close()
      const kept = this.#kept.size === 0 ? undefined : this.#kept.get(place)
      const row = kept?.row ?? chunk.slots[slot]
      if (row !== undefined && visit(kept?.record ?? row.record as StoreRecord, row) === false) {
        return this.close()
      }
    }
    return false
  }

  /** Ends the walk. */
  close (): true {
    this.#contents.snapshots.delete(this)
    return true
  }
}
