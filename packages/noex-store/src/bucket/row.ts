import type { StoreRecord } from '../types/record.js'
import type { Chunk } from './row-sequence.js'

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
