import type { Engine } from '../engine.js'
import { getterOf } from '../filter/path.js'
import type { Slicer } from '../scan/slicer.js'
import { sortInSlices } from '../scan/sort.js'
import type { Normalize } from '../schema/bucket-schema.js'
import type { WorkMeter } from '../types/access.js'
import type { WhereFilter } from '../types/filter.js'
import type { DeclarativeQueryConfig, QueryBucket } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { TrackedContext } from './query-context.js'
import { meterOf, unitsOfSort } from './work.js'

/** A value that a parameter of the query stands for. */
const PLACEHOLDER = /^\{\{\s*params\.(\w+)\s*\}\}$/

type Params = Readonly<Record<string, unknown>> | undefined
/** A query that is ready to run. */
export type AnyQueryFn = (ctx: TrackedContext, params?: unknown) => Promise<unknown>

/** Makes a function of a query that is given as data. */
export function declarativeQuery (engine: Engine, config: DeclarativeQueryConfig): AnyQueryFn {
  return async (ctx, params) => {
    const bucket = ctx.bucket(config.bucket)
    const filter = config.filter === undefined
      ? undefined
      : fill(config.filter, params as Params) as WhereFilter
    if (config.aggregate !== undefined) return await aggregateOf(bucket, config.aggregate, filter)
    const records = filter === undefined ? await bucket.all() : await bucket.where(filter)
    return await listOf(engine, records, config, meterOf(engine, config.bucket, ctx.work))
  }
}

/** Puts parameters in the place of placeholders; one that is not given becomes `undefined`. */
function fill (value: unknown, params: Params): unknown {
  if (typeof value === 'string') {
    const name = PLACEHOLDER.exec(value)?.[1]
    return name === undefined ? value : params?.[name]
  }
  if (Array.isArray(value)) return value.map(item => fill(item, params))
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, params)]))
}

async function aggregateOf (
  bucket: QueryBucket, { groupBy, ...aggregate }: NonNullable<DeclarativeQueryConfig['aggregate']>,
  filter: WhereFilter | undefined
): Promise<unknown> {
  const { function: name, field = '' } = aggregate
  if (groupBy !== undefined) {
    return await bucket.groupBy(typeof groupBy === 'string' ? groupBy : [...groupBy], aggregate, filter)
  }
  return name === 'count' ? await bucket.count(filter) : await bucket[name](field, filter)
}

async function listOf (
  engine: Engine, records: StoreRecord[], config: DeclarativeQueryConfig, meter: WorkMeter
): Promise<unknown[]> {
  const { sort, offset = 0, limit, fields } = config
  const normalizeOf = (field: string): Normalize | undefined =>
    engine.buckets.get(config.bucket)?.schema.normalizeOf(field)
  const order = Object.entries(sort ?? {})
  if (order.length > 0) meter.take(unitsOfSort(records.length))
  const sorted = order.length === 0
    ? records
    : await sortInSlices(records, comparator(order, normalizeOf), engine.slicer)
  const start = offset > 0 ? offset : 0
  const page = start === 0 && limit === undefined
    ? sorted
    : sorted.slice(start, limit === undefined ? undefined : start + Math.max(0, limit))
  if (fields === undefined || fields.length === 0) return page
  meter.take(page.length * fields.length)
  return await project(page, fields, engine.slicer)
}

/** Keeps some members of records, in slices. */
async function project (
  records: readonly StoreRecord[], fields: readonly string[], slicer: Slicer
): Promise<object[]> {
  const projected: object[] = []
  for (const record of records) {
    const kept = fields.filter(field => Object.hasOwn(record, field)).map(field => [field, record[field]] as const)
    projected.push(Object.fromEntries(kept))
    const turn = slicer.pause(projected.length)
    if (turn !== undefined) await turn
  }
  return projected
}

/** Null and absent values come last in both directions; equal ones keep their order. */
function comparator (
  order: ReadonlyArray<readonly [
    field: string, direction: 'asc' | 'desc'
  ]>, normalizeOf: (field: string) => Normalize | undefined
): (a: StoreRecord, b: StoreRecord) => number {
  const keys = order.map(([field, direction]) => {
    const get = getterOf(field)
    const normalize = normalizeOf(field)
    return {
      get: normalize === undefined ? get : (record: StoreRecord) => normalize(get(record)),
      sign: direction === 'desc' ? -1 : 1
    }
  })
  return (a, b) => {
    for (const { get, sign } of keys) {
      const from = get(a) as number | null | undefined
      const to = get(b) as number | null | undefined
      if (from === to || (from == null && to == null)) continue
      if (from == null) return 1
      if (to == null) return -1
      if (from < to) return -sign
      if (from > to) return sign
    }
    return 0
  }
}
