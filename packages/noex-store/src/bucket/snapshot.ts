import type { StoreRecord } from '../types/record.js'
import type { Contents } from './contents.js'
import type { Chunk, Row } from '../rows/row.js'
import { placeAt, slotFrom } from '../rows/row-sequence.js'

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
  readonly #start: number
  readonly #end: number
  readonly #direction: 1 | -1
  readonly #kept = new Map<number, Kept>()
  #chunk: number
  /** Slot that the walk comes to next. */
  #slot: number

  /** Walks from a place on to the last one in the order of insertion; backward from the last one to it. */
  constructor (contents: Contents, place = 0, isBackward = false) {
    const { sequence } = contents
    this.#contents = contents
    this.#chunks = sequence.chunks.slice()
    this.#start = place
    this.#end = sequence.nextPlace
    this.#direction = isBackward ? -1 : 1
    this.#chunk = isBackward ? this.#chunks.length - 1 : sequence.indexFrom(place)
    const first = this.#chunks[this.#chunk]
    this.#slot = first === undefined ? 0 : isBackward ? first.slots.length - 1 : slotFrom(first, place)
    contents.snapshots.add(this)
  }

  /** Keeps the record of a row that is about to change. */
  keep (row: Row): void {
    const { place } = row
    if (place < this.#start || place >= this.#end || this.#kept.has(place)) return
    const chunk = this.#chunks[this.#chunk]
    if (chunk === undefined || !this.#isAhead(chunk, place)) return
    this.#kept.set(place, { row, record: row.record as StoreRecord })
  }

  /** Walks on over at most `limit` places. Returns whether the walk is at its end. */
  step (visit: Visit, limit: number): boolean {
    for (let left = limit; left > 0; left--) {
      const chunk = this.#chunks[this.#chunk]
      if (chunk === undefined) return this.close()
      const slot = this.#slot
      if (slot < 0 || slot >= chunk.slots.length) {
        this.#chunk += this.#direction
        this.#slot = this.#direction === 1 ? 0 : (this.#chunks[this.#chunk]?.slots.length ?? 0) - 1
        continue
      }
      const place = placeAt(chunk, slot)
      if (place >= this.#end || place < this.#start) return this.close()
      this.#slot += this.#direction
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

  /** Whether the walk has not yet come to a place. */
  #isAhead (chunk: Chunk, place: number): boolean {
    const isIn = this.#slot >= 0 && this.#slot < chunk.slots.length
    if (this.#direction === 1) {
      return place >= (isIn ? placeAt(chunk, this.#slot) : placeAt(chunk, chunk.slots.length - 1) + 1)
    }
    return place <= (isIn ? placeAt(chunk, this.#slot) : chunk.start - 1)
  }
}
