import type { Engine } from '../commit/engine.js'
import { FilterError } from '../errors.js'
import type { Slicer } from '../scan/slicer.js'
import type { WhereFilter } from '../types/filter.js'
import type { DeclarativeQueryConfig, QueryBucket } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { TrackedContext } from './query-context.js'
import { meterOf } from './work.js'

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
    const { sort, offset, limit, fields } = config
    const records = await bucket.find({ filter, sort, offset, limit })
    if (fields === undefined || fields.length === 0) return records
    meterOf(engine, config.bucket, ctx.work).take(records.length * fields.length)
    return await project(records, fields, engine.slicer)
  }
}

/**
 * Puts parameters in the place of placeholders.
 * @throws FilterError for a parameter that is not given: without its condition a filter would let more
 * through
 */
function fill (value: unknown, params: Params): unknown {
  if (typeof value === 'string') {
    const name = PLACEHOLDER.exec(value)?.[1]
    return name === undefined ? value : parameter(name, params)
  }
  if (Array.isArray(value)) return value.map(item => fill(item, params))
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, params)]))
}

function parameter (name: string, params: Params): unknown {
  const value = typeof params === 'object' && params !== null && Object.hasOwn(params, name)
    ? params[name]
    : undefined
  if (value === undefined) {
    throw new FilterError(`The query needs the parameter "${name}", which is not given`)
  }
  return value
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

/** Keeps some members of records, in slices. */
async function project (
  records: readonly StoreRecord[], fields: readonly string[], slicer: Slicer
): Promise<object[]> {
  const projected: object[] = []
  for (const record of records) {
    const kept = fields.filter(field => Object.hasOwn(record, field))
    projected.push(Object.fromEntries(kept.map(field => [field, record[field]])))
    const turn = slicer.pause(projected.length)
    if (turn !== undefined) await turn
  }
  return projected
}
