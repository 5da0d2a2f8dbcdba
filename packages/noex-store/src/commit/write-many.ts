import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../bucket/row.js'
import type { Engine } from '../engine.js'
import { CommitTooLargeError, TransactionConflictError } from '../errors.js'
import { bothOf } from '../filter/filter.js'
import type { WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
import type { Input } from './changes.js'
import { commitCauses, turnForCommit } from './commit-causes.js'
import { MatchingRows } from './matching-rows.js'
import { Plan } from './plan.js'
import { WriteAccess } from './write-access.js'
import { checkChanges, openForWrite } from './writes.js'

/** Times that records are looked for in slices, before it is done in the step that commits. */
const MAX_ATTEMPTS = 5
/** Times that what others have changed meanwhile is planned anew. */
const MAX_ROUNDS = 10
/** Records planned without a look at the clock. */
const STEP = 32
/** Changed records that are planned anew in the step that commits. */
const MAX_IN_STEP = 256

/** A record, and what becomes of it. */
interface Made {
  readonly before: StoreRecord
  /** `undefined` for a delete. */
  readonly after: StoreRecord | undefined
}

/** Makes the record that one is replaced with; `undefined` deletes it. */
type Make = (bucket: Bucket, record: StoreRecord) => StoreRecord | undefined

/** Changes all records that match, in one commit. Resolves with their number. */
export async function updateMany (
  engine: Engine, name: string, filter: WhereFilter, changes: Input, options: WriteOptions = {},
  access = WriteAccess.unlimited
): Promise<number> {
  checkChanges(engine, openForWrite(engine, name), changes)
  const time = engine.now
  return await changeMatching(engine, name, filter, (bucket, record) => {
    const after = bucket.prepareUpdate(record, changes, time)
    access.check(bucket, after)
    return after
  }, options, access)
}

/** Deletes all records that match, in one commit. Resolves with their number. */
export async function deleteMany (
  engine: Engine, name: string, filter: WhereFilter, options: WriteOptions = {},
  access = WriteAccess.unlimited
): Promise<number> {
  return await changeMatching(engine, name, filter, () => undefined, options, access)
}

async function changeMatching (
  engine: Engine, name: string, filter: WhereFilter, make: Make, options: WriteOptions, access: WriteAccess
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const bucket = openForWrite(engine, name)
    const change = new ChangeOfMatching(engine, bucket, bothOf(access.scope, filter), make, options, access)
    try {
      return attempt < MAX_ATTEMPTS ? await change.run() : change.runNow()
    } catch (error) {
      if (!(error instanceof StalePlanError) || attempt === MAX_ATTEMPTS) throw error
    } finally {
      change.end()
    }
  }
}

/** Tells that a plan cannot be mended, because the bucket was cleared or defined anew. */
class StalePlanError extends TransactionConflictError {
  constructor (bucket: string) {
    super(bucket, undefined, 'The bucket was cleared or defined anew meanwhile')
  }
}

/** One try to change all records of a bucket that match. */
class ChangeOfMatching {
  readonly #engine: Engine
  readonly #bucket: Bucket
  readonly #matching: MatchingRows
  readonly #make: Make
  readonly #options: WriteOptions
  readonly #access: WriteAccess
  readonly #made = new Map<Row, Made>()
  #isInOrder = true

  constructor (
    engine: Engine, bucket: Bucket, filter: WhereFilter | undefined, make: Make, options: WriteOptions,
    access: WriteAccess
  ) {
    this.#engine = engine
    this.#bucket = bucket
    this.#make = make
    this.#options = options
    this.#access = access
    this.#matching = new MatchingRows(engine, bucket, filter)
  }

  /**
   * Looks for the records, plans in slices, and commits. Resolves with the number of records.
   * @throws StalePlanError when it must be begun anew
   */
  async run (): Promise<number> {
    const pending = this.#matching.find(this.#access.work)
    if (pending !== undefined) await pending
    const { rows } = this.#matching
    this.#access.takeWrites(rows.length)
    this.#checkSize(rows.length)
    let left: Iterable<Row> = rows
    let isSliced = true
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      let count = 0
      for (const row of left) {
        this.#planRow(row)
        const turn = isSliced ? this.#engine.slicer.pause(++count, STEP) : undefined
        if (turn !== undefined) await turn
      }
      const changed = this.#matching.changed()
      if (changed === undefined) throw new StalePlanError(this.#bucket.name)
      if (changed.size === 0) break
      this.#isInOrder = false
      left = changed
      isSliced = changed.size > MAX_IN_STEP && round < MAX_ROUNDS - 1
    }
    const turn = turnForCommit(this.#engine, this.#made.size)
    if (turn !== undefined) await turn
    const committing = commitCauses(this.#engine, () => this.#build(), this.#options)
    if (committing !== undefined) await committing
    return this.#made.size
  }

  /** Does `run` in one step. */
  runNow (): number {
    this.#matching.findNow()
    for (const row of this.#matching.rows) this.#planRow(row)
    this.#engine.commit(this.#build(), this.#options)
    return this.#made.size
  }

  end (): void {
    this.#matching.end()
  }

  #planRow (row: Row): void {
    if (!this.#matching.matches(row)) {
      this.#made.delete(row)
      return
    }
    const before = row.record as StoreRecord
    this.#made.set(row, { before, after: this.#make(this.#bucket, before) })
  }

  #build (): Plan {
    const changed = this.#matching.changed()
    if (changed === undefined) throw new StalePlanError(this.#bucket.name)
    for (const row of changed) {
      this.#isInOrder = false
      this.#planRow(row)
    }
    const made = [...this.#made]
    if (!this.#isInOrder) made.sort(([a], [b]) => a.place - b.place)
    const plan = new Plan(this.#options.maxChanges, this.#access.work)
    for (const [row, { before, after }] of made) plan.add(this.#bucket, row.key, row, after, before)
    return plan
  }

  #checkSize (count: number): void {
    const { maxChanges = Infinity } = this.#options
    if (count > maxChanges) throw new CommitTooLargeError(count, maxChanges)
  }
}
