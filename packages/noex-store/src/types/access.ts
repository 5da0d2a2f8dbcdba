import type { WhereFilter } from './filter.js'
import type { BucketName, StoreSchema } from './record-types.js'
import type { FilterOf } from './typed-filter.js'

/** Counts the work of one request, which may take several reads and writes. */
export interface WorkMeter {
  /**
   * Counts units that are about to be done: one is a record compared with one condition. An error that it
   * throws ends the read or write; nothing of it has happened then.
   */
  take (units: number): void
}

/** Confines and counts the reads and writes of a handle. */
export interface AccessOptions {
  /**
   * Filter of the only records that exist for reads, and that a write may change or leave behind.
   * @default all records
   */
  readonly scope?: WhereFilter
  /** Counts the work instead of the store's `maxWork`. */
  readonly work?: WorkMeter
}

/** `AccessOptions` of a bucket of a schema. */
export interface TypedAccessOptions<S extends StoreSchema, N extends BucketName<S>>
  extends Pick<AccessOptions, 'work'> {
  readonly scope?: FilterOf<S, N>
}
