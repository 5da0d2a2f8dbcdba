/**
 * Members that the store writes into every record. A type, not an interface: only so are records of a schema
 * records of any store too.
 */
export type RecordMeta = {
  /** 1 for the first record of a key, one more at each change. Never repeated for a key of a bucket. */
  readonly _version: number
  /** Time of the insert, in epoch milliseconds. */
  readonly _createdAt: number
  /** Time of the last change, in epoch milliseconds. */
  readonly _updatedAt: number
  /** Time from which the record is gone, in epoch milliseconds; only in buckets with a `ttl`. */
  readonly _expiresAt?: number
}

/** A stored record: a frozen value, replaced by a change and never altered. */
export type StoreRecord<T = Record<string, unknown>> = T & RecordMeta
