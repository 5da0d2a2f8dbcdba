import type { Row } from '../rows/row.js'
import { rowsBackwards } from '../rows/row-sequence.js'

export type Scalar = number | string

/** Entries above which a chunk is split in two. */
const MAX_CHUNK = 512

/** Entries below which a chunk is joined with one beside it. */
const MIN_CHUNK = 32

/** Entries in ascending order of value, those of one value in order of place. */
interface Chunk {
  values: Scalar[]
  rows: Row[]
}

/** Compares values of one type. */
type Compare = (a: Scalar, b: Scalar) => number

const compareScalars: Compare = (a, b) => a < b ? -1 : a > b ? 1 : 0

/** Bounds of a range; an absent one is open. */
export interface Range {
  readonly lower?: Scalar
  readonly isLowerExcluded?: boolean
  readonly upper?: Scalar
  readonly isUpperExcluded?: boolean
}

/**
 * Rows sorted by a value of one type: a list of sorted chunks, so that entering, removing and finding are
 * O(log n) with short moves, and ranges are read in order.
 */
export class OrderedIndex {
  #chunks: Chunk[] = []
  /** Last value of each chunk: a chunk is found without a look into the others. */
  #lasts: Scalar[] = []
  #size = 0
  readonly #compare: Compare

  constructor (compare: Compare = compareScalars) {
    this.#compare = compare
  }

  /** Adds at most half a chunk of entries that are in order and come after all others. */
  appendSorted (entries: ReadonlyArray<{ readonly value: Scalar, readonly row: Row }>): void {
    const chunk = { values: entries.map(({ value }) => value), rows: entries.map(({ row }) => row) }
    this.#chunks.push(chunk)
    this.#lasts.push(lastOf(chunk))
    this.#size += entries.length
  }

  get size (): number {
    return this.#size
  }

  add (value: Scalar, row: Row): void {
    this.#size++
    if (this.#chunks.length === 0) {
      this.#chunks.push({ values: [value], rows: [row] })
      this.#lasts.push(value)
      return
    }
    const at = Math.min(this.#chunkFor(value, row.place), this.#chunks.length - 1)
    const { values, rows } = this.#chunks[at] as Chunk
    const slot = this.#slotFor(values, rows, value, row.place)
    if (slot === values.length) {
      values.push(value)
      rows.push(row)
      this.#lasts[at] = value
    } else {
      values.splice(slot, 0, value)
      rows.splice(slot, 0, row)
    }
    if (values.length <= MAX_CHUNK) return
    const half = values.length >>> 1
    this.#replace(at, 1, [
      { values: values.slice(0, half), rows: rows.slice(0, half) },
      { values: values.slice(half), rows: rows.slice(half) }
    ])
  }

  /** Removes an entry; one that is not there is passed over. */
  remove (value: Scalar, row: Row): void {
    const at = this.#chunkFor(value, row.place)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    const slot = this.#slotFor(chunk.values, chunk.rows, value, row.place)
    if (chunk.rows[slot] !== row) return
    this.#size--
    chunk.values.splice(slot, 1)
    chunk.rows.splice(slot, 1)
    if (chunk.values.length < MIN_CHUNK) this.#compact(at)
    else this.#lasts[at] = lastOf(chunk)
  }

  /** Joins a small chunk with the one after or before it, if the two are small together. */
  #compact (at: number): void {
    const chunk = this.#chunks[at] as Chunk
    if (chunk.values.length === 0) {
      this.#replace(at, 1, [])
      return
    }
    this.#lasts[at] = lastOf(chunk)
    const isRoomy = (other: Chunk | undefined): boolean =>
      other !== undefined && other.values.length + chunk.values.length <= MAX_CHUNK / 4
    const first = isRoomy(this.#chunks[at + 1]) ? at : isRoomy(this.#chunks[at - 1]) ? at - 1 : -1
    if (first === -1) return
    const [a, b] = [this.#chunks[first] as Chunk, this.#chunks[first + 1] as Chunk]
    this.#replace(first, 2, [{ values: [...a.values, ...b.values], rows: [...a.rows, ...b.rows] }])
  }

  #replace (at: number, count: number, chunks: readonly Chunk[]): void {
    this.#chunks.splice(at, count, ...chunks)
    this.#lasts.splice(at, count, ...chunks.map(lastOf))
  }

  /** Estimates the entries of a range from whole chunks: at most two chunks off. */
  estimate (range: Range): number {
    const [from, to] = this.#bounds(range)
    if (from.chunk === to.chunk) return Math.max(0, to.slot - from.slot)
    let size = to.slot - from.slot
    // Long lists of chunks are about three quarters full.
    if (to.chunk - from.chunk > 64) return size + (to.chunk - from.chunk) * (this.#size / this.#chunks.length)
    for (let i = from.chunk; i < to.chunk; i++) size += (this.#chunks[i] as Chunk).rows.length
    return size
  }

  /** Number of the entries of a range. Looks at each chunk of it, and at no entry. */
  count (range: Range): number {
    const [from, to] = this.#bounds(range)
    if (from.chunk > to.chunk) return 0
    let size = to.slot - from.slot
    for (let i = from.chunk; i < to.chunk; i++) size += (this.#chunks[i] as Chunk).rows.length
    return Math.max(0, size)
  }

  /** Rows of a range in ascending order. Must not be used across changes. */
  * range (range: Range): Generator<Row, undefined> {
    const [from, to] = this.#bounds(range)
    yield * this.#between(from, to)
  }

  /**
   * Rows of a range in descending order of value, those of one value in ascending order of place. Must not be
   * used across changes.
   */
  * descending (range: Range): Generator<Row, undefined> {
    const [first, end] = this.#bounds(range)
    let to = this.#backTo(end)
    while (to.chunk > first.chunk || (to.chunk === first.chunk && to.slot > first.slot)) {
      const { values } = this.#chunks[to.chunk] as Chunk
      const value = values[to.slot - 1] as Scalar
      let slot = to.slot - 1
      while (slot > 0 && values[slot - 1] === value) slot--
      const from = slot === 0 ? this.#find(value, -Infinity) : { chunk: to.chunk, slot }
      yield * this.#between(from, to)
      to = this.#backTo(from)
    }
  }

  /** Rows of a range in no order: less work than the others. */
  rowsOf (range: Range): Row[] {
    const [from, to] = this.#bounds(range)
    const rows: Row[] = []
    for (let i = from.chunk; i <= to.chunk && i < this.#chunks.length; i++) {
      const chunk = (this.#chunks[i] as Chunk).rows
      const end = i === to.chunk ? to.slot : chunk.length
      for (let slot = i === from.chunk ? from.slot : 0; slot < end; slot++) rows.push(chunk[slot] as Row)
    }
    return rows
  }

  /** Returns the position of the end of an earlier chunk for one at the start of a chunk. */
  #backTo ({ chunk, slot }: Position): Position {
    if (slot > 0 || chunk === 0) return { chunk, slot }
    return { chunk: chunk - 1, slot: (this.#chunks[chunk - 1] as Chunk).rows.length }
  }

  * #between (from: Position, to: Position): Generator<Row, undefined> {
    for (let i = from.chunk; i <= to.chunk && i < this.#chunks.length; i++) {
      const { rows } = this.#chunks[i] as Chunk
      const end = i === to.chunk ? to.slot : rows.length
      for (let slot = i === from.chunk ? from.slot : 0; slot < end; slot++) yield rows[slot] as Row
    }
  }

  /** Rows in ascending order, from the first one after `value` and `place` on. */
  * after (value: Scalar, place: number): Generator<Row, undefined> {
    let at = this.#chunkFor(value, place + 1)
    let slot = at < this.#chunks.length
      ? this.#slotFor((this.#chunks[at] as Chunk).values, (this.#chunks[at] as Chunk).rows, value, place + 1)
      : 0
    for (; at < this.#chunks.length; at++, slot = 0) {
      const { rows } = this.#chunks[at] as Chunk
      for (; slot < rows.length; slot++) yield rows[slot] as Row
    }
  }

  /** Rows in descending order, of one value in descending order of place. */
  backwards (): Generator<Row, undefined> {
    return rowsBackwards(this.#chunks, ({ rows }) => rows)
  }

  /** Lowest and highest value. */
  get ends (): readonly [Scalar, Scalar] | undefined {
    const first = this.#chunks[0]
    const last = this.#chunks[this.#chunks.length - 1]
    return first === undefined
      ? undefined
      : [first.values[0] as Scalar, last?.values[last.values.length - 1] as Scalar]
  }

  #bounds ({ lower, isLowerExcluded, upper, isUpperExcluded }: Range): readonly [Position, Position] {
    const from = lower === undefined
      ? { chunk: 0, slot: 0 }
      : this.#find(lower, isLowerExcluded === true ? Infinity : -Infinity)
    const to = upper === undefined
      ? { chunk: this.#chunks.length, slot: 0 }
      : this.#find(upper, isUpperExcluded === true ? -Infinity : Infinity)
    return [from, to]
  }

  #find (value: Scalar, place: number): Position {
    const chunk = this.#chunkFor(value, place)
    const found = this.#chunks[chunk]
    return { chunk, slot: found === undefined ? 0 : this.#slotFor(found.values, found.rows, value, place) }
  }

  /** Index of the first chunk whose last entry is not before (value, place). */
  #chunkFor (value: Scalar, place: number): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#compare(this.#lasts[middle] as Scalar, value)
      const isBefore = order === 0 ? lastRowOf(this.#chunks[middle] as Chunk).place < place : order < 0
      if (isBefore) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Index of the first entry that is not before (value, place). */
  #slotFor (values: readonly Scalar[], rows: readonly Row[], value: Scalar, place: number): number {
    let low = 0
    let high = values.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isBefore(values, rows, middle, value, place)) low = middle + 1
      else high = middle
    }
    return low
  }

  #isBefore (
    values: readonly Scalar[], rows: readonly Row[], slot: number, value: Scalar, place: number
  ): boolean {
    const order = this.#compare(values[slot] as Scalar, value)
    return order < 0 || (order === 0 && (rows[slot] as Row).place < place)
  }
}

function lastOf ({ values }: Chunk): Scalar {
  return values[values.length - 1] as Scalar
}

function lastRowOf ({ rows }: Chunk): Row {
  return rows[rows.length - 1] as Row
}

interface Position {
  readonly chunk: number
  readonly slot: number
}
