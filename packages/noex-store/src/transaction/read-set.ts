import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import { BucketNotDefinedError, TransactionConflictError } from '../errors.js'
import { changedRecordError } from '../commit/check.js'
import { expireDue } from '../commit/expiry.js'
import type { WorkMeter } from '../types/access.js'
import type { Change } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { RecordTest } from '../filter/condition.js'
import { visibility } from '../query/visit.js'

/** Changes of others times filters that are looked at without a look at the clock. */
const MAX_AT_ONCE = 2_000
/** Of these, those that the step which commits may look at: some tens of milliseconds. */
const MAX_IN_STEP = 500_000
/** Records whose time is up that are looked at for each filter; where there are more, they conflict. */
const MAX_OVERDUE = 1_000
/** Times that what others have changed meanwhile is looked at in slices. */
const MAX_ROUNDS = 5

/** A read of all records that match. */
interface PredicateRead {
  readonly bucket: Bucket
  readonly test: RecordTest | undefined
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
    else if (records.get(key) !== record) throw changedRecordError(bucket, key, records.get(key))
  }

  /** Notes that all records which pass `test`, or all, were read or counted at a position of the history. */
  addPredicate (read: PredicateRead): void {
    this.#predicates.push(read)
  }

  /**
   * Does most of `check` in slices, where there is much, counted by `work`: what others have changed so far
   * need not be looked at again.
   * @throws as `check`, and what `work` throws
   */
  checkInSlices (engine: Engine, work?: WorkMeter): Promise<void> | undefined {
    return this.isLong(engine) ? this.#checkPredicates(engine, work) : undefined
  }

  /** Whether `checkInSlices` takes slices. */
  isLong (engine: Engine): boolean {
    return this.#predicates.length > 0 && this.#cost(engine) > MAX_AT_ONCE
  }

  async #checkPredicates (engine: Engine, work: WorkMeter | undefined): Promise<void> {
    for (let round = 1; round <= MAX_ROUNDS && this.#cost(engine) > MAX_AT_ONCE; round++) {
      for (const read of this.#predicates) {
        const { position } = engine.history
        const changes = changesFor(engine, read)
        work?.take(changes.length)
        for (let i = 0; i < changes.length; i += MAX_AT_ONCE) {
          checkChanges(read, changes.slice(i, i + MAX_AT_ONCE))
          if (engine.slicer.isSpent) await engine.slicer.nextTurn()
        }
        read.position = position
      }
    }
  }

  /** Changes of others that are still to be looked at, for all filters. */
  #cost ({ history }: Engine): number {
    return this.#predicates.reduce((sum, { position }) => sum + history.countSince(position), 0)
  }

  /**
   * Checks that everything would be read again as it was: not where time is up since for a record that was.
   * @throws TransactionConflictError naming what another writer has changed
   */
  check (engine: Engine): void {
    const buckets = new Set([...this.#records.keys(), ...this.#predicates.map(({ bucket }) => bucket)])
    for (const bucket of buckets) {
      checkBucket(engine, bucket)
      expireDue(engine, bucket)
    }
    for (const [bucket, records] of this.#records) {
      const isVisible = visibility(bucket)
      for (const [key, record] of records) {
        const isSame = bucket.contents.rows.get(key)?.record === record
        if (!isSame || (record !== undefined && !isVisible(record))) {
          throw changedRecordError(bucket, key, record)
        }
      }
    }
    if (this.#cost(engine) > MAX_IN_STEP) {
      const { name } = (this.#predicates[0] as PredicateRead).bucket
      throw new TransactionConflictError(
        name, undefined, 'Others write more than can be compared with its reads'
      )
    }
    for (const read of this.#predicates) {
      checkChanges(read, changesFor(engine, read))
      checkOverdue(read)
    }
  }
}

/** @throws TransactionConflictError where a record that was read is hidden now, but not removed yet */
function checkOverdue ({ bucket, test, time }: PredicateRead): void {
  if (!bucket.hasOverdue) return
  const due = bucket.contents.expiry?.allDue(bucket.readAt, MAX_OVERDUE) ?? []
  for (const { key, record } of due) {
    const wasRead = record !== undefined && bucket.isLive(record, time) && test?.(record) !== false
    if (wasRead || due.length === MAX_OVERDUE) {
      throw new TransactionConflictError(bucket.name, key, 'The time of what was read is up')
    }
  }
}

function checkBucket (engine: Engine, bucket: Bucket): void {
  const current = engine.buckets.get(bucket.name)
  if (current === bucket) return
  if (current === undefined) throw new BucketNotDefinedError(bucket.name)
  throw new TransactionConflictError(bucket.name, undefined, 'The bucket has been defined anew')
}

/** Returns the changes of others since the read. @throws TransactionConflictError where they are unknown */
function changesFor (engine: Engine, { bucket, position }: PredicateRead): Change[] {
  checkBucket(engine, bucket)
  const changes = engine.history.since(position, bucket.name)
  if (changes === undefined) {
    throw new TransactionConflictError(bucket.name, undefined, 'It has been read too long ago')
  }
  return changes
}

/** @throws TransactionConflictError where one of the changes is of what was read */
function checkChanges ({ bucket, test, isCount, time }: PredicateRead, changes: readonly Change[]): void {
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
