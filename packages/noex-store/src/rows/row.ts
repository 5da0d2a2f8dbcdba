import type { StoreRecord } from '../types/record.js'

/** The place of a record in its bucket: stays the same while the record is replaced by its updates. */
export class Row {
  readonly key: unknown
  /** The record of the moment; `undefined` once it is deleted. */
  record: StoreRecord | undefined
  /** Place in the order of insertion. */
  place = -1
  /** Estimated bytes of the record. */
  bytes = 0
  chunk: Chunk | undefined
  /** Place in the heap of expiry times; -1 when it is not there. */
  heapAt = -1

  constructor (key: unknown, record: StoreRecord) {
    this.key = key
    this.record = record
  }
}

/** A run of places in the order of insertion; a deleted row leaves an empty slot. */
export interface Chunk {
  /** Place of the first slot. */
  readonly start: number
  readonly slots: Array<Row | undefined>
  /** Places of the slots, ascending; `undefined` where they follow one another from `start` on. */
  places: number[] | undefined
  /** Slots that hold a row. */
  size: number
}
