import type { Bucket } from '../bucket/bucket.js'
import { Snapshot, type Visit } from '../bucket/snapshot.js'
import type { Row } from '../bucket/row.js'
import type { Engine } from '../engine.js'
import { searched } from '../filter/condition.js'
import { type CompiledFilter, compileFilter } from '../filter/filter.js'
import { findSource, rowsInOrder } from '../filter/planner.js'
import { requestOrder } from '../index/build-ordered.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import type { WhereFilter } from '../types/filter.js'
import { meterOf, TextWork } from './work.js'

/** Places looked at between two looks at the clock. */
export const STEP = 256

/** Units of work up to which records are looked at in one go. */
const MAX_AT_ONCE = 8_000

/** A read of a bucket: what it looks for, compiled at its beginning. */
export interface Selection {
  readonly bucket: Bucket
  readonly filter: CompiledFilter | undefined
}

/** How records are visited. */
export interface Visiting {
  /** Counts the work; by default the store's limit for one read does. */
  readonly meter?: WorkMeter
  /**
   * Units that a record takes which matches.
   * @default 0
   */
  readonly perMatch?: number
  /**
   * Records between two looks at the clock.
   * @default 256
   */
  readonly step?: number
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
 * call. Returns `undefined` when it is done at once; what takes longer goes on in slices. The records that are
 * looked at times the conditions are counted before the first one is.
 * @throws WorkBudgetError, and what `meter` throws
 */
export function visitMatches (
  engine: Engine, { bucket, filter }: Selection, visit: Visit, visiting: Visiting = {}
): Promise<void> | undefined {
  const { meter = meterOf(engine, bucket.name), perMatch = 0 } = visiting
  const conditions = Math.max(1, filter?.work ?? 0)
  const isVisible = bucket.hasOverdue ? visibility(engine, bucket) : undefined
  const counted = perMatch === 0 ? visit : countedVisit(visit, meter, perMatch)
  const source = filter && findSource(bucket, filter, index => { requestOrder(engine, bucket, index) })
  const step = visiting.step ?? (filter?.searchesTexts === true ? 1 : STEP)
  const isShort = (records: number, units: number): boolean =>
    filter?.searchesTexts !== true && records * (units + perMatch) <= MAX_AT_ONCE
  if (source !== undefined) {
    const rows = rowsInOrder(source)
    // The index has compared one condition.
    const units = source.isExact ? 1 : Math.max(1, conditions - 1)
    meter.take(rows.length * units)
    const wanted = selective(source.isExact ? undefined : filter, isVisible, counted, meter)
    if (isShort(rows.length, units)) visitRows(rows, wanted)
    else return visitListed(engine, rows, rows.map(({ record }) => record as StoreRecord), wanted, step)
    return undefined
  }
  meter.take(bucket.size * conditions)
  const wanted = selective(filter, isVisible, counted, meter)
  if (!isShort(bucket.size, conditions)) {
    return walk(engine, new Snapshot(bucket.contents), wanted, () => step)
  }
  for (const { slots } of bucket.contents.sequence.chunks) if (!visitRows(slots, wanted)) return undefined
  return undefined
}

/**
 * Walks a snapshot to its end, the first steps at once; `nextStep` tells the places of each step before it is
 * made.
 */
export function walk (
  engine: Engine, snapshot: Snapshot, visit: Visit, nextStep: () => number = () => STEP
): Promise<void> | undefined {
  try {
    do {
      if (snapshot.step(visit, nextStep())) return undefined
    } while (!engine.slicer.isSpent)
  } catch (error) {
    snapshot.close()
    throw error
  }
  return walkOn(engine, snapshot, visit, nextStep)
}

async function walkOn (
  engine: Engine, snapshot: Snapshot, visit: Visit, nextStep: () => number
): Promise<void> {
  try {
    do {
      if (engine.slicer.isSpent) await engine.slicer.nextTurn()
    } while (!snapshot.step(visit, nextStep()))
  } finally {
    snapshot.close()
  }
}

/** Visits rows as they are now. Returns whether it came to their end. */
function visitRows (rows: ReadonlyArray<Row | undefined>, visit: Visit): boolean {
  for (const row of rows) {
    if (row !== undefined && visit(row.record as StoreRecord, row) === false) return false
  }
  return true
}

/** Visits rows in slices with the records that they had at the beginning. */
async function visitListed (
  engine: Engine, rows: readonly Row[], records: readonly StoreRecord[], visit: Visit, step: number
): Promise<void> {
  for (let i = 0; i < rows.length; i++) {
    if (i % step === 0 && engine.slicer.isSpent) await engine.slicer.nextTurn()
    if (visit(records[i] as StoreRecord, rows[i] as Row) === false) return
  }
}

/** Returns the test that hides records whose time is up but which are still there. */
export function visibility (engine: Engine, bucket: Bucket): (record: StoreRecord) => boolean {
  if (!bucket.hasOverdue) return isAnyVisible
  const { now } = engine
  return ({ _expiresAt: expiresAt }) => typeof expiresAt !== 'number' || expiresAt > now
}

const isAnyVisible = (): boolean => true

function countedVisit (visit: Visit, meter: WorkMeter, units: number): Visit {
  return (record, row) => {
    meter.take(units)
    return visit(record, row)
  }
}

/** Returns what visits the visible records that match, of those that it is given. */
export function selective (
  filter: CompiledFilter | undefined, isVisible: ((record: StoreRecord) => boolean) | undefined, visit: Visit,
  meter: WorkMeter
): Visit {
  const test = filter?.searchesTexts === true ? measured(filter.test, new TextWork(meter)) : filter?.test
  if (isVisible === undefined) {
    return test === undefined ? visit : (record, row) => test(record) ? visit(record, row) : undefined
  }
  return (record, row) => (test === undefined || test(record)) && isVisible(record)
    ? visit(record, row)
    : undefined
}

/** Counts the texts that a test looks through. */
function measured (test: CompiledFilter['test'], work: TextWork): CompiledFilter['test'] {
  return record => {
    const before = searched.chars
    const isMatch = test(record)
    work.add(searched.chars - before)
    return isMatch
  }
}
