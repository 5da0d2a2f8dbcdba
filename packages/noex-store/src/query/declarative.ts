import type { Engine } from '../engine.js'
import { sortInSlices } from '../scan/sort.js'
import type { WhereFilter } from '../types/filter.js'
import type { DeclarativeQueryConfig, QueryContext } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { Normalize } from '../schema/bucket-schema.js'
import { getterOf } from '../filter/path.js'
import { accumulate, Groups } from './aggregate.js'

/** A value that a parameter of the query stands for. */
const PLACEHOLDER = /^\{\{\s*params\.(\w+)\s*\}\}$/

type Params = Readonly<Record<string, unknown>> | undefined
/** A query that is ready to run. */
export type AnyQueryFn = (ctx: QueryContext, params?: unknown) => Promise<unknown>

/** Makes a function of a query that is given as data. */
export function declarativeQuery (engine: Engine, config: DeclarativeQueryConfig): AnyQueryFn {
  return async (ctx, params) => {
    const bucket = ctx.bucket(config.bucket)
    const filter = config.filter === undefined
      ? undefined
      : fill(config.filter, params as Params) as WhereFilter
    const records = filter === undefined ? await bucket.all() : await bucket.where(filter)
    const normalizeOf = (field: string): Normalize | undefined =>
      engine.buckets.get(config.bucket)?.schema.normalizeOf(field)
    if (config.aggregate !== undefined) return aggregateOf(records, config.aggregate, normalizeOf)
    return await listOf(engine, records, config, normalizeOf)
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

function aggregateOf (
  records: readonly StoreRecord[], {
    groupBy, ...aggregate
  }: NonNullable<DeclarativeQueryConfig['aggregate']>,
  normalizeOf: (field: string) => Normalize | undefined
): unknown {
  if (groupBy !== undefined) {
    const groups = new Groups(typeof groupBy === 'string' ? [groupBy] : groupBy, aggregate, normalizeOf)
    for (const record of records) groups.add(record)
    return groups.results()
  }
  const accumulator = accumulate(aggregate)
  for (const record of records) accumulator.add(record)
  return accumulator.result()
}

async function listOf (
  engine: Engine, records: StoreRecord[], { sort, offset = 0, limit, fields }: DeclarativeQueryConfig,
  normalizeOf: (field: string) => Normalize | undefined
): Promise<unknown[]> {
  const order = Object.entries(sort ?? {})
  const sorted = order.length === 0
    ? records
    : await sortInSlices(records, comparator(order, normalizeOf), engine.slicer)
  const start = offset > 0 ? offset : 0
  const page = start === 0 && limit === undefined
    ? sorted
    : sorted.slice(start, limit === undefined ? undefined : start + Math.max(0, limit))
  if (fields === undefined || fields.length === 0) return page
  return page.map(
    record =>
      Object.fromEntries(
        fields.filter(field => Object.hasOwn(record, field)).map(field => [field, record[field]])
      )
  )
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
