import { sortOrderOf, type SortOrder, type SortValues } from '../query/sort-order.js'
import type { BucketSchema } from '../schema/bucket-schema.js'
import type { Sort } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'

/** A record in a row set. */
export interface Entry {
  record: StoreRecord
  /** Place in the order of insertion of the bucket. */
  readonly place: number
}

/** A position in the order of entries: that of an entry, which may have moved or gone since. */
export interface Position {
  readonly values: SortValues
  readonly place: number
}

/** The order of entries: that of a sort, and of those that are equal in it, that of their insertion. */
export class EntryOrder {
  readonly #sort: SortOrder | undefined

  /** Without a sort it is the order of insertion. */
  constructor (sort: Sort | undefined, { normalizeOf }: Pick<BucketSchema, 'normalizeOf'>) {
    const order = sort && sortOrderOf(sort, normalizeOf)
    this.#sort = order?.keys.length === 0 ? undefined : order
  }

  /** Number of fields that are sorted by. */
  get length (): number {
    return this.#sort?.keys.length ?? 0
  }

  readonly compare = (a: Entry, b: Entry): number =>
    this.compareRecords(a.record, b.record) || a.place - b.place

  /** Orders records by the sort alone: 0 for those that a change from one into the other does not move. */
  compareRecords (a: StoreRecord, b: StoreRecord): number {
    return this.#sort === undefined ? 0 : this.#sort.compare(a, b)
  }

  positionOf ({ record, place }: Entry): Position {
    return { values: this.#sort === undefined ? [] : this.#sort.valuesOf(record), place }
  }

  readonly comparePositions = (a: Position, b: Position): number =>
    (this.#sort === undefined ? 0 : this.#sort.compareValues(a.values, b.values)) || a.place - b.place
}
