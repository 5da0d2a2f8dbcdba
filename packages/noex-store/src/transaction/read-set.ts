import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../engine.js'
import { BucketNotDefinedError, TransactionConflictError } from '../errors.js'
import { changed } from '../commit/check.js'
import type { StoreRecord } from '../types/record.js'
import type { Test } from '../filter/condition.js'

/** Filters whose results are checked in one step. */
const MIN_SLICED = 8

/** A read of all records that match. */
interface PredicateRead {
  readonly bucket: Bucket
  readonly test: Test | undefined
  /** Whether only the number of matching records was read. */
  readonly isCount: boolean
  /** Position of the history at which was read, or up to which that is known to hold. */
  position: number
  /** Time of the read, in epoch milliseconds: a record that was hidden then was not read. */
  readonly time: number
}

/** The reads of a transaction: records, absences, and the results of filters. */
export class ReadSet {
  readonly #records = new Map<Bucket, Map<unknown, StoreRecord | undefined>>()
  readonly #predicates: PredicateRead[] = []

  /**
   * Notes a read of a key. `record` is `undefined` where there is none.
   * @throws TransactionConflictError when it has been read before, and was another one
   */
  addRecord (bucket: Bucket, key: unknown, record: StoreRecord | undefined): void {
    let records = this.#records.get(bucket)
    if (records === undefined) this.#records.set(bucket, records = new Map())
    if (!records.has(key)) records.set(key, record)
    else if (records.get(key) !== record) throw changed(bucket, key, records.get(key))
  }

  /** Notes that all records which pass `test`, or all, were read or counted at a position of the history. */
  addPredicate (read: PredicateRead): void {
    this.#predicates.push(read)
  }

  /**
   * Does most of `check` in slices, where there is much: what others have changed so far need not be looked
   * at again.
   */
  checkInSlices (engine: Engine): Promise<void> | undefined {
    return this.#predicates.length < MIN_SLICED ? undefined : this.#checkPredicates(engine)
  }

  async #checkPredicates (engine: Engine): Promise<void> {
    for (const [i, read] of this.#predicates.entries()) {
      checkPredicate(engine, read)
      read.position = engine.history.position
      const turn = engine.slicer.pause(i, MIN_SLICED)
      if (turn !== undefined) await turn
    }
  }

  /**
   * Checks that everything would be read again as it was.
   * @throws TransactionConflictError naming what another writer has changed
   */
  check (engine: Engine): void {
    for (const [bucket, records] of this.#records) {
      checkBucket(engine, bucket)
      for (const [key, record] of records) {
        if (bucket.contents.rows.get(key)?.record !== record) throw changed(bucket, key, record)
      }
    }
    for (const read of this.#predicates) checkPredicate(engine, read)
  }
}

function checkBucket (engine: Engine, bucket: Bucket): void {
  const current = engine.buckets.get(bucket.name)
  if (current === bucket) return
  if (current === undefined) throw new BucketNotDefinedError(bucket.name)
  throw new TransactionConflictError(bucket.name, undefined, 'The bucket has been defined anew')
}

function checkPredicate (engine: Engine, { bucket, test, isCount, position, time }: PredicateRead): void {
  checkBucket(engine, bucket)
  const changes = engine.history.since(position, bucket.name)
  if (changes === undefined) {
    throw new TransactionConflictError(bucket.name, undefined, 'It has been read too long ago')
  }
  const isTimed = bucket.schema.ttlMs !== undefined
  const matches = (record: StoreRecord | undefined): boolean => record !== undefined &&
    (test === undefined || test(record)) &&
    !(isTimed && typeof record._expiresAt === 'number' && record._expiresAt <= time)
  for (const change of changes) {
    const key = 'key' in change ? change.key : undefined
    const [before, after] = 'key' in change ? [matches(change.before), matches(change.after)] : [true, false]
    if (isCount ? before !== after : before || after) {
      throw new TransactionConflictError(bucket.name, key, 'Another writer has changed what was read')
    }
  }
}
