import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import type { Engine } from '../commit/engine.js'
import { CommitTooLargeError, TransactionConflictError } from '../errors.js'
import { intersectFilters } from '../filter/filter.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import type { WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
import { checkObject, type Input } from './changes.js'
import { commitCauses, turnForCommit } from '../commit/commit-causes.js'
import { MatchingRows } from './matching-rows.js'
import { Plan } from '../commit/plan.js'
import { WriteAccess } from './write-access.js'
import { openForWrite } from './writes.js'

/** Times that records are looked for in slices, before it is done in the step that commits. */
const MAX_ATTEMPTS = 5
/** Times that what others have changed meanwhile is planned anew. */
const MAX_ROUNDS = 10
/** Records planned without a look at the clock. */
const STEP = 32
/** Records that are planned in one step. */
const MAX_IN_STEP = 256

/** A record, and what becomes of it. */
interface Made {
  readonly before: StoreRecord
  /** `undefined` for a delete. */
  readonly after: StoreRecord | undefined
}

/** Makes the record that one is replaced with; `undefined` deletes it. */
type Make = (
  bucket: Bucket, record: StoreRecord, pending: PendingCheck[], bytes: number
) => StoreRecord | undefined

/** Changes all records that match, in one commit. Resolves with their number. */
export async function updateMany (
  engine: Engine, name: string, filter: WhereFilter, changes: Input, options: WriteOptions = {},
  access = WriteAccess.unlimited
): Promise<number> {
  checkObject(openForWrite(engine, name), changes)
  const time = engine.now
  return await changeMatching(engine, name, filter, (bucket, record, pending, bytes) => {
    const after = bucket.maker.update(record, changes, time, pending, bytes)
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
    const change = new ChangeOfMatching(
      engine,
      bucket,
      intersectFilters(access.scope, filter),
      make,
      options,
      access
    )
    try {
      return await (attempt < MAX_ATTEMPTS ? change.run() : change.runNow())
    } catch (error) {
      if (!(error instanceof StalePlanError) || attempt === MAX_ATTEMPTS) throw error
    } finally {
      change.end()
    }
  }
}

/**
 * Tells that a plan cannot be mended, because the bucket was cleared or defined anew, or others write faster
 * than its validators answer.
 */
class StalePlanError extends TransactionConflictError {
  constructor (bucket: string) {
    super(bucket, undefined, 'Others have changed what was to be written, each time')
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
  #pending: PendingCheck[] = []
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
    let left: ReadonlySet<Row> | readonly Row[] | undefined = rows
    for (let round = 1; round <= MAX_ROUNDS && left !== undefined; round++) {
      const planning = this.#planRows(left, 'size' in left ? left.size : left.length)
      if (planning !== undefined) await planning
      if (round === 1) {
        const turn = turnForCommit(this.#engine, this.#made.size)
        if (turn !== undefined) await turn
      }
      left = this.#changed()
    }
    const committing = commitCauses(this.#engine, () => this.#build(), this.#options, () => { this.end() })
    if (committing !== undefined) await committing
    return this.#made.size
  }

  /** Does `run` in one step. */
  runNow (): number | Promise<number> {
    this.#matching.findNow()
    for (const row of this.#matching.rows) this.#planRow(row)
    this.#engine.commit(this.#build(), this.#options)
    this.end()
    return this.#engine.durably(this.#made.size)
  }

  end (): void {
    this.#matching.end()
  }

  /** Plans for some rows, and waits for the checks of their records. */
  #planRows (rows: Iterable<Row>, count: number): Promise<void> | undefined {
    if (count > (this.#bucket.schema.isSlow ? 1 : MAX_IN_STEP)) return this.#planInSlices(rows)
    for (const row of rows) this.#planRow(row)
    return this.#pending.length > 0 ? this.#settle() : undefined
  }

  async #planInSlices (rows: Iterable<Row>): Promise<void> {
    let count = 0
    for (const row of rows) {
      this.#planRow(row)
      if (this.#pending.length >= STEP) await this.#settle()
      const turn = this.#engine.slicer.pause(++count, STEP)
      if (turn !== undefined) await turn
    }
    if (this.#pending.length > 0) await this.#settle()
  }

  async #settle (): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    await this.#engine.checks.settle(this.#bucket.name, pending)
  }

  #planRow (row: Row): void {
    if (!this.#matching.matches(row)) {
      this.#made.delete(row)
      return
    }
    const before = row.record as StoreRecord
    if (this.#made.get(row)?.before === before) return
    this.#made.set(row, { before, after: this.#make(this.#bucket, before, this.#pending, row.bytes) })
  }

  /**
   * Returns the rows that others have changed since the last call, `undefined` where there are none.
   * @throws StalePlanError
   */
  #changed (): ReadonlySet<Row> | undefined {
    const changed = this.#matching.changed()
    if (changed === undefined) throw new StalePlanError(this.#bucket.name)
    if (changed.size === 0) return undefined
    this.#isInOrder = false
    return changed
  }

  #build (): Plan {
    for (const row of this.#changed() ?? []) this.#planRow(row)
    // There is no time to wait for validators in the step that commits.
    if (this.#pending.length > 0) throw new StalePlanError(this.#bucket.name)
    const made = [...this.#made]
    if (!this.#isInOrder) made.sort(([a], [b]) => a.place - b.place)
    const plan = new Plan(this.#options.maxChanges, this.#access.work)
    for (const [row, { before, after }] of made) plan.add(this.#bucket, row.key, row, after, before)
    plan.result = made.length
    return plan
  }

  #checkSize (count: number): void {
    const { maxChanges = Infinity } = this.#options
    if (count > maxChanges) throw new CommitTooLargeError(count, maxChanges)
  }
}
