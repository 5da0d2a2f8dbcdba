import type { Row } from './row.js'

/** Rows of a chunk. */
const CHUNK_ROWS = 64

/** A run of places in the order of insertion; a deleted row leaves an empty slot. */
export interface Chunk {
  /** Place of the first slot. */
  readonly start: number
  readonly slots: Array<Row | undefined>
  /** Slots that hold a row. */
  size: number
}

/** The place of a slot. */
export function placeAt ({ start }: Chunk, slot: number): number {
  return start + slot
}

/** The first slot whose place is `place` or beyond; the number of slots where there is none. */
export function slotFrom ({ start, slots }: Chunk, place: number): number {
  return Math.min(slots.length, Math.max(0, place - start))
}

/**
 * The rows of a bucket in the order of their insertion. A row finds its slot by its place, so appending,
 * removing and putting back are O(1), and going on after any place, of a deleted row too, is O(log n).
 */
export class RowSequence {
  #chunks: Chunk[] = []
  #nextPlace = 0

  /** Chunks in order. None of them is empty; a copy of the list is a view of the rows that are there now. */
  get chunks (): readonly Chunk[] {
    return this.#chunks
  }

  /** The place that the next row will get. */
  get nextPlace (): number {
    return this.#nextPlace
  }

  /** Goes on numbering from `place`, for a sequence that takes over from another one. */
  startAt (place: number): void {
    this.#nextPlace = place
  }

  append (row: Row): void {
    row.place = this.#nextPlace++
    let last = this.#chunks[this.#chunks.length - 1]
    if (
      last === undefined || last.start + last.slots.length !== row.place || last.slots.length === CHUNK_ROWS
    ) {
      last = { start: row.place, slots: [], size: 0 }
      this.#chunks.push(last)
    }
    last.slots.push(row)
    last.size++
    row.chunk = last
  }

  remove (row: Row): void {
    const chunk = row.chunk as Chunk
    chunk.slots[row.place - chunk.start] = undefined
    if (--chunk.size > 0) return
    const at = this.#indexOf(chunk.start)
    if (at === 0) this.#chunks.shift()
    else this.#chunks.splice(at, 1)
  }

  /** Puts a removed row back into its place. */
  restore (row: Row): void {
    const chunk = row.chunk as Chunk
    chunk.slots[row.place - chunk.start] = row
    if (chunk.size++ === 0) this.#chunks.splice(this.#indexOf(chunk.start), 0, chunk)
  }

  /** Rows in order from `place` on. Must not be used across changes. */
  * from (place: number): Generator<Row, undefined> {
    for (let i = this.indexFrom(place); i < this.#chunks.length; i++) {
      const { start, slots } = this.#chunks[i] as Chunk
      for (let slot = Math.max(0, place - start); slot < slots.length; slot++) {
        const row = slots[slot]
        if (row !== undefined) yield row
      }
    }
  }

  /** Rows in the opposite order, from the last one on. Must not be used across changes. */
  * backwards (): Generator<Row, undefined> {
    for (let i = this.#chunks.length - 1; i >= 0; i--) {
      const { slots } = this.#chunks[i] as Chunk
      for (let slot = slots.length - 1; slot >= 0; slot--) {
        const row = slots[slot]
        if (row !== undefined) yield row
      }
    }
  }

  /** Index of the first chunk that reaches to `place` or beyond. */
  indexFrom (place: number): number {
    const at = this.#indexOf(place)
    const before = this.#chunks[at - 1]
    return before !== undefined && before.start + before.slots.length > place ? at - 1 : at
  }

  /** Index of the first chunk that begins at `place` or after it. */
  #indexOf (place: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#chunks[middle] as Chunk).start < place) low = middle + 1
      else high = middle
    }
    return low
  }
}
