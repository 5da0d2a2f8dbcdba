import type { StoreRecord } from '../types/record.js'
import type { Contents } from './contents.js'
import type { Row } from './row.js'
import type { Chunk } from './row-sequence.js'

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
  /** Place that the walk comes to next. */
  #place: number

  /** Walks from a place on to the last one in the order of insertion; backward from the last one to it. */
  constructor (contents: Contents, place = 0, isBackward = false) {
    const { sequence } = contents
    this.#contents = contents
    this.#chunks = sequence.chunks.slice()
    this.#start = place
    this.#end = sequence.nextPlace
    this.#direction = isBackward ? -1 : 1
    this.#chunk = isBackward ? this.#chunks.length - 1 : sequence.indexFrom(place)
    this.#place = isBackward ? this.#end - 1 : place
    contents.snapshots.add(this)
  }

  /** Keeps the record of a row that is about to change. */
  keep (row: Row): void {
    const { place } = row
    if (place < this.#start || place >= this.#end || this.#kept.has(place)) return
    if ((place - this.#place) * this.#direction < 0) return
    this.#kept.set(place, { row, record: row.record as StoreRecord })
  }

  /** Walks on over at most `limit` places. Returns whether the walk is at its end. */
  step (visit: Visit, limit: number): boolean {
    let left = limit
    while (left > 0) {
      const chunk = this.#enter()
      if (chunk === undefined) return this.close()
      const { start, slots } = chunk
      const steps = Math.min(
        left, this.#direction === 1
          ? Math.min(start + slots.length, this.#end) - this.#place
          : this.#place - Math.max(start, this.#start) + 1
      )
      left -= steps
      for (let i = 0; i < steps; i++) {
        const place = this.#place
        this.#place += this.#direction
        const kept = this.#kept.size === 0 ? undefined : this.#kept.get(place)
        const row = kept?.row ?? slots[place - start]
        if (row !== undefined && visit(kept?.record ?? row.record as StoreRecord, row) === false) {
          return this.close()
        }
      }
    }
    return false
  }

  /** Ends the walk. */
  close (): true {
    this.#contents.snapshots.delete(this)
    return true
  }

  /** Goes on to the chunk of the next place, `undefined` at the end. */
  #enter (): Chunk | undefined {
    for (;;) {
      const chunk = this.#chunks[this.#chunk]
      if (chunk === undefined) return undefined
      const { start, slots } = chunk
      if (this.#direction === 1) {
        if (this.#place < start) this.#place = start
        if (this.#place >= this.#end) return undefined
        if (this.#place < start + slots.length) return chunk
      } else {
        if (this.#place >= start + slots.length) this.#place = start + slots.length - 1
        if (this.#place < this.#start) return undefined
        if (this.#place >= start) return chunk
      }
      this.#chunk += this.#direction
    }
  }
}
