import type { Chunk, Row } from './row.js'

/** Rows of a chunk. */
const CHUNK_ROWS = 64

/** Slots from which on a chunk is made smaller when seven eighths of them are empty. */
const MIN_COMPACTED = 16

/** The place of a slot. */
export function placeAt ({ start, places }: Chunk, slot: number): number {
  return places === undefined ? start + slot : places[slot] as number
}

/** The first slot whose place is `place` or beyond; the number of slots where there is none. */
export function slotFrom ({ start, slots, places }: Chunk, place: number): number {
  if (places === undefined) return Math.min(slots.length, Math.max(0, place - start))
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((places[middle] as number) < place) low = middle + 1
    else high = middle
  }
  return low
}

/** The rows of a list of chunks, from the last one on. */
export function * rowsBackwards<T> (
  chunks: readonly T[], slotsOf: (chunk: T) => ReadonlyArray<Row | undefined>
): Generator<Row, undefined> {
  for (let i = chunks.length - 1; i >= 0; i--) {
    const slots = slotsOf(chunks[i] as T)
    for (let slot = slots.length - 1; slot >= 0; slot--) {
      const row = slots[slot]
      if (row !== undefined) yield row
    }
  }
}

/** Place of the last slot. */
function lastPlace (chunk: Chunk): number {
  return placeAt(chunk, chunk.slots.length - 1)
}

/**
 * The rows of a bucket in the order of their insertion. A row finds its slot by its place, so appending,
 * removing and putting back are O(1), and going on after any place, of a deleted row too, is O(log n). Chunks
 * that have lost most of their rows are replaced by smaller ones; who still has the former ones may go on
 * reading them.
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
      last = { start: row.place, slots: [], places: undefined, size: 0 }
      this.#chunks.push(last)
    }
    last.slots.push(row)
    // One that was made smaller has its places in a list, though they may follow one another.
    last.places?.push(row.place)
    last.size++
    row.chunk = last
  }

  /** Puts in a row at its own place, where no other row is. */
  put (row: Row): void {
    if (row.place < this.#nextPlace) {
      this.restore(row)
      return
    }
    const last = this.#chunks[this.#chunks.length - 1]
    if (last === undefined || last.slots.length >= CHUNK_ROWS || lastPlace(last) + 1 === row.place) {
      this.#nextPlace = row.place
      this.append(row)
      return
    }
    last.places ??= last.slots.map((_row, slot) => last.start + slot)
    last.places.push(row.place)
    last.slots.push(row)
    last.size++
    row.chunk = last
    this.#nextPlace = row.place + 1
  }

  /** The row at a place. */
  at (place: number): Row | undefined {
    const chunk = this.#chunks[this.indexFrom(place)]
    if (chunk === undefined) return undefined
    const slot = slotFrom(chunk, place)
    return slot < chunk.slots.length && placeAt(chunk, slot) === place ? chunk.slots[slot] : undefined
  }

  remove (row: Row): void {
    const chunk = row.chunk as Chunk
    const { slots } = chunk
    slots[slotFrom(chunk, row.place)] = undefined
    chunk.size--
    if (chunk.size > 0 && (chunk.size * 8 > slots.length || slots.length < MIN_COMPACTED)) return
    const at = this.#indexOf(chunk.start)
    if (chunk.size > 0) this.#compact(at)
    else if (at === 0) this.#chunks.shift()
    else this.#chunks.splice(at, 1)
  }

  /** Puts a removed row back into its place. */
  restore (row: Row): void {
    const { place } = row
    const at = this.indexFrom(place)
    const chunk = this.#chunks[at]
    if (chunk === undefined || place < chunk.start) {
      this.#replace(at, 0, [row])
      return
    }
    const slot = slotFrom(chunk, place)
    if (placeAt(chunk, slot) !== place) {
      this.#replace(at, 1, [...liveRows(chunk), row].sort((a, b) => a.place - b.place))
      return
    }
    chunk.slots[slot] = row
    chunk.size++
    row.chunk = chunk
  }

  /** Rows in order from `place` on. Must not be used across changes. */
  * from (place: number): Generator<Row, undefined> {
    for (let i = this.indexFrom(place); i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Chunk
      const { slots } = chunk
      for (let slot = slotFrom(chunk, place); slot < slots.length; slot++) {
        const row = slots[slot]
        if (row !== undefined) yield row
      }
    }
  }

  /** Rows in the opposite order, from the last one on. Must not be used across changes. */
  backwards (): Generator<Row, undefined> {
    return rowsBackwards(this.#chunks, ({ slots }) => slots)
  }

  /** Makes one chunk of a sparse one and those beside it, as far as they are sparse too. */
  #compact (at: number): void {
    const isSparse = (chunk: Chunk | undefined): boolean =>
      chunk !== undefined && chunk.size <= CHUNK_ROWS / 4
    const from = isSparse(this.#chunks[at - 1]) ? at - 1 : at
    const to = isSparse(this.#chunks[at + 1]) ? at + 2 : at + 1
    this.#replace(from, to - from, this.#chunks.slice(from, to).flatMap(liveRows))
  }

  /** Puts a new chunk in the place of `count` ones; those stay as they are. */
  #replace (at: number, count: number, rows: Row[]): void {
    const chunk: Chunk = {
      start: (rows[0] as Row).place, slots: rows, places: rows.map(({ place }) => place), size: rows.length
    }
    for (const row of rows) row.chunk = chunk
    this.#chunks.splice(at, count, chunk)
  }

  /** Index of the first chunk that reaches to `place` or beyond. */
  indexFrom (place: number): number {
    const at = this.#indexOf(place)
    const before = this.#chunks[at - 1]
    return before !== undefined && lastPlace(before) >= place ? at - 1 : at
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

function liveRows ({ slots }: Chunk): Row[] {
  return slots.filter(row => row !== undefined)
}
