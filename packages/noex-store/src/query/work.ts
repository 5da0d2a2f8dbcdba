import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import { WorkBudgetError } from '../errors.js'
import type { WorkMeter } from '../types/access.js'

/** Records that are listed, and not looked at, in about the time of one condition. */
const RECORDS_LISTED_PER_UNIT = 10

/** Characters of the most expensive text that are searched in 0.1 µs or less. */
const CHARS_PER_UNIT = 16

/** Bytes of a record up to which its values are compared in the time of one condition. */
const BYTES_PER_WEIGHT = 1_024

/** Refuses more than the store's `maxWork` in one read. */
class WorkLimit implements WorkMeter {
  readonly #bucket: string
  readonly #limit: number
  #spent = 0

  constructor (bucket: string, limit: number) {
    this.#bucket = bucket
    this.#limit = limit
  }

  /** @throws WorkBudgetError */
  take (units: number): void {
    this.#spent += units
    if (this.#spent > this.#limit) throw new WorkBudgetError(this.#bucket, this.#spent, this.#limit)
  }
}

/** Returns what counts a read of a bucket: `work`, or the store's own limit for one read. */
export function meterOf (engine: Engine, bucket: string, work?: WorkMeter): WorkMeter {
  return work ?? new WorkLimit(bucket, engine.options.maxWork)
}

/** How much longer than small records those of a bucket take to compare, by their mean size: 1 or more. */
export function weightOf ({ size, contents }: Bucket): number {
  return Math.max(1, contents.bytes / Math.max(1, size) / BYTES_PER_WEIGHT)
}

/** Units of records that are only listed. */
export function unitsOfList (records: number): number {
  return Math.ceil(records / RECORDS_LISTED_PER_UNIT)
}

/** Units of sorting a list. */
export function unitsOfSort (records: number): number {
  return records * Math.ceil(Math.log2(Math.max(2, records)))
}

/** Counts characters that are searched, which only the search itself can tell the number of. */
export class TextWork {
  readonly #meter: WorkMeter
  #chars = 0

  constructor (meter: WorkMeter) {
    this.#meter = meter
  }

  add (chars: number): void {
    this.#chars += chars
    const units = Math.floor(this.#chars / CHARS_PER_UNIT)
    if (units === 0) return
    this.#chars -= units * CHARS_PER_UNIT
    this.#meter.take(units)
  }
}
