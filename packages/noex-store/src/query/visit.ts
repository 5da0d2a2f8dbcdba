import type { Bucket } from '../bucket/bucket.js'
import { Snapshot, type Visit } from '../bucket/snapshot.js'
import type { Engine } from '../engine.js'
import { WorkBudgetError } from '../errors.js'
import { type CompiledFilter, compileFilter } from '../filter/filter.js'
import { findSource, rowsInOrder } from '../filter/planner.js'
import { requestOrder } from '../index/build-ordered.js'
import type { StoreRecord } from '../types/record.js'
import type { WhereFilter } from '../types/filter.js'

/** Places looked at between two looks at the clock. */
const STEP = 256

/** Records up to which a bucket is walked over in one go. */
const MAX_AT_ONCE = 2_000

/** A read of a bucket: what it looks for, compiled at its beginning. */
export interface Selection {
  readonly bucket: Bucket
  readonly filter: CompiledFilter | undefined
}

/**
 * Compiles a filter for a bucket; `undefined` and `{}` select all records.
 * @throws FilterError
 */
export function select (bucket: Bucket, filter: WhereFilter | undefined): Selection {
  const compiled = filter === undefined ? undefined : compileFilter(filter, bucket.schema)
  const isAll = compiled === undefined || compiled.conditions.length + compiled.choices.length === 0
  return { bucket, filter: isAll ? undefined : compiled }
}

/**
 * Visits the records that match, in the order of their insertion, as they all were at one moment: that of the
 * call. Returns `undefined` when it is done at once; what takes longer goes on in slices.
 * @throws WorkBudgetError
 */
export function visitMatches (
  engine: Engine, { bucket, filter }: Selection, visit: Visit, work = 0
): Promise<void> | undefined {
  const isVisible = visibility(engine, bucket)
  if (filter !== undefined) {
    const source = findSource(bucket, filter, index => { requestOrder(engine, bucket, index) })
    if (source !== undefined) {
      for (const row of rowsInOrder(source)) {
        const record = row.record as StoreRecord
        if ((source.isExact || filter.test(record)) && isVisible(record) && visit(record, row) === false) {
          return undefined
        }
      }
      return undefined
    }
  }
  const units = bucket.size * (work + (filter?.work ?? 0) + 1)
  if (units > engine.options.maxWork) throw new WorkBudgetError(bucket.name, units, engine.options.maxWork)
  const wanted = selective(filter, bucket.hasOverdue ? isVisible : undefined, visit)
  if (bucket.size > MAX_AT_ONCE) return walk(engine, new Snapshot(bucket.contents), wanted)
  for (const { slots } of bucket.contents.sequence.chunks) {
    for (const row of slots) {
      if (
        row !== undefined && wanted(row.record as StoreRecord, row) === false
      ) return undefined
    }
  }
  return undefined
}

/** Visits the records that match from a place on, in the order of their insertion. */
export function visitFrom (
  engine: Engine, { bucket, filter }: Selection, place: number, visit: Visit
): Promise<void> | undefined {
  const isVisible = bucket.hasOverdue ? visibility(engine, bucket) : undefined
  return walk(engine, new Snapshot(bucket.contents, place), selective(filter, isVisible, visit))
}

/** Walks a snapshot to its end, the first steps at once. */
export function walk (engine: Engine, snapshot: Snapshot, visit: Visit): Promise<void> | undefined {
  try {
    do {
      if (snapshot.step(visit, STEP)) return undefined
    } while (!engine.slicer.isSpent)
  } catch (error) {
    snapshot.close()
    throw error
  }
  return walkOn(engine, snapshot, visit)
}

async function walkOn (engine: Engine, snapshot: Snapshot, visit: Visit): Promise<void> {
  try {
    do {
      if (engine.slicer.isSpent) await engine.slicer.nextTurn()
    } while (!snapshot.step(visit, STEP))
  } finally {
    snapshot.close()
  }
}

/** Returns the test that hides records whose time is up but which are still there. */
export function visibility (engine: Engine, bucket: Bucket): (record: StoreRecord) => boolean {
  if (!bucket.hasOverdue) return isAnyVisible
  const { now } = engine
  return ({ _expiresAt: expiresAt }) => typeof expiresAt !== 'number' || expiresAt > now
}

const isAnyVisible = (): boolean => true

function selective (
  filter: CompiledFilter | undefined, isVisible: ((record: StoreRecord) => boolean) | undefined, visit: Visit
): Visit {
  const test = filter?.test
  if (isVisible === undefined) {
    return test === undefined ? visit : (record, row) => test(record) ? visit(record, row) : undefined
  }
  return (record, row) => (test === undefined || test(record)) && isVisible(record)
    ? visit(record, row)
    : undefined
}
