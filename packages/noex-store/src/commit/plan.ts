import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import { CommitTooLargeError } from '../errors.js'
import type { WorkMeter } from '../types/access.js'
import type { PendingWrite } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'

/** Units that a record which is written takes: as long as so many conditions take to look at. */
export const UNITS_PER_WRITE = 100

/** Steps up to which they are searched one by one. */
const MAX_SEARCHED = 4

/** One record that a commit is to insert, update or delete. */
export interface Step {
  readonly bucket: Bucket
  /** As it is compared: see `Bucket.keyOf`. */
  readonly key: unknown
  /** The row of the record before; of the one after, once the step is applied. */
  row: Row | undefined
  readonly before: StoreRecord | undefined
  after: StoreRecord | undefined
  /** Whether the deletes of the plan cause it. */
  isCaused: boolean
}

/** The steps of a commit: at most one for a key of a bucket. */
export class Plan implements Iterable<PendingWrite> {
  readonly steps: Step[] = []
  /** Whether a step deletes, so that others may have to follow. */
  hasDeletes = false
  /** The value that the write resolves with. */
  result: unknown
  readonly maxSteps: number
  /** Counts what the deletes of the plan cause. */
  readonly work: WorkMeter | undefined
  #byKey: Map<Bucket, Map<unknown, Step>> | undefined
  /** `edits` of the bucket of the first step, when the plan was begun. */
  readonly #edits: number | undefined

  /**
   * More than `maxSteps` steps are refused. A plan of one step may be given the `edits` that its bucket had
   * before anything of it was read.
   */
  constructor (maxSteps = Infinity, work?: WorkMeter, edits?: number) {
    this.#edits = edits
    this.maxSteps = maxSteps
    this.work = work
  }

  /** Whether nothing in the bucket can have changed since the plan was begun. */
  get isFresh (): boolean {
    return this.steps.length === 1 && (this.steps[0] as Step).bucket.edits === this.#edits
  }

  /**
   * Adds a step; `before` is the record that it was made of.
   * @throws CommitTooLargeError
   */
  add (
    bucket: Bucket, key: unknown, row: Row | undefined, after: StoreRecord | undefined, before = row?.record
  ): Step {
    if (this.steps.length >= this.maxSteps) {
      throw new CommitTooLargeError(this.steps.length + 1, this.maxSteps)
    }
    return this.addFreely(bucket, key, row, after, before)
  }

  /**
   * Adds a step that another one causes.
   * @throws CommitTooLargeError
   */
  addCaused (bucket: Bucket, key: unknown, row: Row, after: StoreRecord | undefined): Step {
    this.work?.take(UNITS_PER_WRITE)
    const step = this.add(bucket, key, row, after)
    step.isCaused = true
    return step
  }

  /** Adds a step that does not count: the store's own, or one of another plan. */
  addFreely (
    bucket: Bucket, key: unknown, row: Row | undefined, after: StoreRecord | undefined, before = row?.record
  ): Step {
    const step: Step = { bucket, key, row, before, after, isCaused: false }
    this.steps.push(step)
    if (after === undefined) this.hasDeletes = true
    if (this.#byKey !== undefined) this.#enter(step)
    return step
  }

  /** The writes of the plan, without those that its deletes cause. */
  * [Symbol.iterator] (): Generator<PendingWrite, undefined> {
    for (const { bucket: { name }, key, after, isCaused } of this.steps) {
      if (!isCaused) yield { bucket: name, key, isDelete: after === undefined }
    }
  }

  find (bucket: Bucket, key: unknown): Step | undefined {
    if (this.steps.length <= MAX_SEARCHED) {
      for (const step of this.steps) if (step.key === key && step.bucket === bucket) return step
      return undefined
    }
    if (this.#byKey === undefined) {
      this.#byKey = new Map()
      for (const step of this.steps) this.#enter(step)
    }
    return this.#byKey.get(bucket)?.get(key)
  }

  /** The record that a key will have, after the plan so far. */
  recordAfter (bucket: Bucket, key: unknown): StoreRecord | undefined {
    const step = this.find(bucket, key)
    return step === undefined ? bucket.contents.rows.get(key)?.record : step.after
  }

  #enter (step: Step): void {
    const byKey = this.#byKey as Map<Bucket, Map<unknown, Step>>
    const steps = byKey.get(step.bucket)
    if (steps === undefined) byKey.set(step.bucket, new Map([[step.key, step]]))
    else steps.set(step.key, step)
  }
}
