import type { Row } from '../rows/row.js'
import { getterOf, type Getter } from '../schema/path.js'
import type { Normalize } from '../schema/bucket-schema.js'
import type { StoreRecord } from '../types/record.js'
import { HashIndex } from './hash-index.js'
import type { OrderedIndex, Scalar } from './ordered-index.js'

interface FieldIndexOptions {
  readonly field: string
  readonly isUnique: boolean
  /** Whether the definition names the index; those made for references are not counted. */
  readonly isDeclared: boolean
  readonly normalize: Normalize | undefined
  /** Type of the values that an ordered index can hold, `undefined` where there can be none. */
  readonly scalarType: 'number' | 'string' | undefined
}

/** A change that an ordered index has missed while it was being built. */
interface Missed {
  readonly isAdded: boolean
  readonly value: Scalar
  readonly row: Row
}

/**
 * Finds the rows of a bucket by one field: a hash index always, an ordered one from its first use on.
 */
export class FieldIndex {
  readonly options: FieldIndexOptions
  readonly hash = new HashIndex()
  readonly #get: Getter
  #ordered: OrderedIndex | undefined
  #missed: Missed[] | undefined
  #caughtUp = 0
  /** Values that are neither of the field's type nor null: an ordered index does not hold them. */
  #foreign = 0

  constructor (options: FieldIndexOptions) {
    this.options = options
    this.#get = getterOf(options.field)
  }

  /** The ordered index, `undefined` until it is built, and where a value of the bucket has no place in it. */
  get ordered (): OrderedIndex | undefined {
    return this.#foreign === 0 ? this.#ordered : undefined
  }

  /** Whether an ordered index could serve and is neither there nor being built. */
  get needsOrder (): boolean {
    return this.options.scalarType !== undefined && this.#ordered === undefined &&
      this.#missed === undefined && this.#foreign === 0
  }

  /** The value under which a record is found. */
  valueOf (record: StoreRecord): unknown {
    const value = this.#get(record)
    return this.options.normalize === undefined ? value : this.options.normalize(value)
  }

  add (row: Row, record: StoreRecord): void {
    const value = this.valueOf(record)
    this.hash.add(value, row)
    this.#order(value, row, true)
  }

  remove (row: Row, record: StoreRecord): void {
    const value = this.valueOf(record)
    this.hash.remove(value, row)
    this.#order(value, row, false)
  }

  update (row: Row, before: StoreRecord, after: StoreRecord): void {
    if (this.#get(before) === this.#get(after)) return
    this.remove(row, before)
    this.add(row, after)
  }

  /** Begins to collect the changes that an ordered index in the making would miss. */
  beginOrdering (): void {
    this.#missed = []
  }

  /** Adds at most `limit` of the missed changes to the index in the making. Returns whether none is left. */
  catchUp (ordered: OrderedIndex, limit: number): boolean {
    const missed = this.#missed ?? []
    const end = Math.min(missed.length, this.#caughtUp + limit)
    for (; this.#caughtUp < end; this.#caughtUp++) {
      const { isAdded, value, row } = missed[this.#caughtUp] as Missed
      if (isAdded) ordered.add(value, row)
      else ordered.remove(value, row)
    }
    return end === missed.length
  }

  /** Takes over an ordered index that has caught up with all changes since `beginOrdering`. */
  finishOrdering (ordered: OrderedIndex): void {
    this.#missed = undefined
    this.#caughtUp = 0
    this.#ordered = ordered
  }

  /** Returns the value's place in an ordered index, `undefined` where it has none. */
  scalarOf (record: StoreRecord): Scalar | undefined {
    const value = this.valueOf(record)
    return this.#isScalar(value) ? value : undefined
  }

  #order (value: unknown, row: Row, isAdded: boolean): void {
    if (value === null || value === undefined || this.options.scalarType === undefined) return
    if (!this.#isScalar(value)) {
      this.#foreign += isAdded ? 1 : -1
    } else if (this.#missed !== undefined) {
      this.#missed.push({ isAdded, value, row })
    } else if (this.#ordered !== undefined) {
      if (isAdded) this.#ordered.add(value, row)
      else this.#ordered.remove(value, row)
    }
  }

  #isScalar (value: unknown): value is Scalar {
    return this.options.scalarType === 'number'
      ? typeof value === 'number' && !Number.isNaN(value)
      : typeof value === 'string' && this.options.scalarType === 'string'
  }
}
