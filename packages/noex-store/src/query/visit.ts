import type { Bucket } from '../bucket/bucket.js'
import { Snapshot, type Visit } from '../bucket/snapshot.js'
import type { Row } from '../rows/row.js'
import type { Engine } from '../commit/engine.js'
import { type CompiledFilter, compileFilter } from '../filter/filter.js'
import { findSource, rowsInOrder, type Source } from './planner.js'
import { searchedChars } from '../filter/text-search.js'
import { requestOrder } from './build-ordered.js'
import { STEP, walk } from './walk.js'
import type { WorkMeter } from '../types/access.js'
import type { StoreRecord } from '../types/record.js'
import type { WhereFilter } from '../types/filter.js'
import { meterOf, TextWork, weightOf } from './work.js'

/** Units of work up to which records are looked at in one go. */
const MAX_AT_ONCE = 8_000

/** Units of work between two looks at the clock, where these are not `STEP` records. */
const STEP_UNITS = 2_048

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
  /** Records whose time is up count as long as no commit has removed them. */
  readonly includesOverdue?: true
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
 * call. Returns `undefined` when it is done at once; what takes longer goes on in slices. The records that
 * are looked at times the conditions are counted before the first one is.
 * @throws WorkBudgetError, and what `meter` throws
 */
export function visitMatches (
  engine: Engine, { bucket, filter }: Selection, visit: Visit, visiting: Visiting = {}
): Promise<void> | undefined {
  const { meter = meterOf(engine, bucket.name), perMatch = 0 } = visiting
  const source = filter && findSource(bucket, filter, index => { requestOrder(engine, bucket, index) })
  if (source !== undefined) {
    return visitSource(engine, { bucket, filter }, source, rowsInOrder(source), visit, { ...visiting, meter })
  }
  const conditions = Math.max(1, filter?.work ?? 0)
  meter.take(bucket.size * conditions)
  const isVisible = visibilityFor(bucket, visiting)
  const wanted = selective(filter, isVisible, counted(visit, meter, perMatch), meter)
  const weight = filter === undefined ? conditions : conditions * weightOf(bucket)
  if (!isShort(filter, bucket.size * (weight + perMatch))) {
    return walk(engine, new Snapshot(bucket.contents), wanted, () => stepOf(filter, weight, visiting))
  }
  for (const { slots } of bucket.contents.sequence.chunks) if (!visitRows(slots, wanted)) return undefined
  return undefined
}

/** Visits those of some rows of a source that match: the index has compared one condition. */
export function visitSource (
  engine: Engine, { bucket, filter }: Selection, source: Source, rows: readonly Row[], visit: Visit,
  visiting: Visiting & { readonly meter: WorkMeter }
): Promise<void> | undefined {
  const { meter, perMatch = 0 } = visiting
  const isVisible = visibilityFor(bucket, visiting)
  const units = source.isExact ? 1 : Math.max(1, (filter?.work ?? 0) - 1)
  meter.take(rows.length * units)
  const tried = source.isExact ? undefined : filter
  const wanted = selective(tried, isVisible, counted(visit, meter, perMatch), meter)
  const weight = units * weightOf(bucket)
  if (!isShort(filter, rows.length * (weight + perMatch))) {
    const records = rows.map(({ record }) => record as StoreRecord)
    return visitListed(engine, rows, records, wanted, stepOf(filter, weight, visiting))
  }
  visitRows(rows, wanted)
  return undefined
}

/** Whether work is done in one go. */
function isShort (filter: CompiledFilter | undefined, units: number): boolean {
  return filter?.searchesTexts !== true && units <= MAX_AT_ONCE
}

/** Records between two looks at the clock; `weight`: units of one record. */
function stepOf (filter: CompiledFilter | undefined, weight: number, { step }: Visiting): number {
  if (step !== undefined) return step
  return filter?.searchesTexts === true ? 1 : Math.max(1, Math.min(STEP, Math.floor(STEP_UNITS / weight)))
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

/**
 * Returns the test that hides records whose time was up when the bucket was opened, but which are still
 * there.
 */
export function visibility (bucket: Bucket): (record: StoreRecord) => boolean {
  if (!bucket.hasOverdue) return isAnyVisible
  const { readAt } = bucket
  return ({ _expiresAt: expiresAt }) => typeof expiresAt !== 'number' || expiresAt > readAt
}

const isAnyVisible = (): boolean => true

function visibilityFor (
  bucket: Bucket, { includesOverdue }: Visiting
): ((record: StoreRecord) => boolean) | undefined {
  return bucket.hasOverdue && includesOverdue !== true ? visibility(bucket) : undefined
}

function counted (visit: Visit, meter: WorkMeter, units: number): Visit {
  if (units === 0) return visit
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
    const before = searchedChars.chars
    const isMatch = test(record)
    work.add(searchedChars.chars - before)
    return isMatch
  }
}
