import type { Normalize } from '../schema/bucket-schema.js'
import type { Aggregate } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { LiveGroups } from './live-groups.js'
import { liveNumber } from './live-number.js'

/** An aggregate of records that come and go: at each moment the one that a read of them answers. */
export interface LiveAggregate {
  /** Takes in a record, with its place in the order of its bucket. */
  add (record: StoreRecord, place: number): void
  /** Takes out a record that was added with this place: the same one, or one of the same values. */
  remove (record: StoreRecord, place: number): void
  /**
   * Returns the number (`undefined` for the least of none), or the groups: a frozen list of frozen groups,
   * each the same object as long as nothing has changed in it.
   * @throws AggregateOverflowError for a sum that no number can hold
   */
  result (): unknown
  /** Estimated bytes that it keeps, without those of the records. */
  readonly bytes: number
}

/**
 * Begins an aggregate of no records. To add or remove one takes a constant time for counts, sums and means,
 * and O(log n) for the least, the greatest, and groups; `result` makes the list of groups anew after changes.
 */
export function liveAggregate (
  { groupBy, ...aggregate }: Aggregate & { readonly groupBy?: string | readonly string[] },
  normalizeOf: (field: string) => Normalize | undefined
): LiveAggregate {
  return groupBy === undefined
    ? liveNumber(aggregate)
    : new LiveGroups(groupBy, () => liveNumber(aggregate), normalizeOf)
}
