import type { Bucket } from '../bucket/bucket.js'
import { OutOfScopeError } from '../errors.js'
import type { RecordTest } from '../filter/condition.js'
import { select } from '../query/visit.js'
import type { AccessOptions, WorkMeter } from '../types/access.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
import { UNITS_PER_WRITE } from '../commit/plan.js'

/** The records that a writer may change, and what counts its work. */
export class WriteAccess {
  /** Of a writer who may change everything. */
  static readonly unlimited = new WriteAccess()

  readonly scope: WhereFilter | undefined
  readonly work: WorkMeter | undefined
  #bucket: Bucket | undefined
  #test: RecordTest | undefined

  constructor ({ scope, work }: AccessOptions = {}) {
    this.scope = scope
    this.work = work
  }

  /** Counts records that are about to be written. Throws what the meter throws. */
  takeWrites (count: number): void {
    this.work?.take(count * UNITS_PER_WRITE)
  }

  /** Tells whether a record of a bucket is inside. */
  includes (bucket: Bucket, record: StoreRecord): boolean {
    if (this.scope === undefined) return true
    if (this.#bucket !== bucket) {
      this.#test = select(bucket, this.scope).filter?.test
      this.#bucket = bucket
    }
    return this.#test === undefined || this.#test(record)
  }

  /** @throws OutOfScopeError for a record that is outside */
  check (bucket: Bucket, record: StoreRecord): void {
    if (!this.includes(bucket, record)) throw new OutOfScopeError(bucket.name, record[bucket.schema.key])
  }

  /** @throws OutOfScopeError unless the whole bucket is inside */
  checkWhole (bucket: Bucket): void {
    if (this.scope !== undefined) throw new OutOfScopeError(bucket.name, undefined)
  }
}
