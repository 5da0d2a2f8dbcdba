import type { DeclarativeQueryConfig, QueryBucket, StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { Aggregate } from './aggregates.js'
import { fillPlaceholders } from './filter.js'
import { computeGroups } from './group-by.js'
import { Ordering, sortInSlices } from './sort.js'
import type { Work } from './work.js'

/**
 * Runs a declarative query over `reads` as noex-store does, with the same result, but in slices, and counted.
 * PROTOCOL.md, "Declarative queries".
 */
export async function runDeclarative (
  config: DeclarativeQueryConfig, params: unknown, reads: QueryBucket, work: Work
): Promise<unknown> {
  const { filter, aggregate, sort, offset = 0, limit, fields = [] } = config
  const given = (params ?? {}) as Readonly<Record<string, unknown>>
  const asked = filter === undefined ? {} : fillPlaceholders(filter, given) as WhereFilter
  const records = await reads.where(asked)
  if (aggregate !== undefined) {
    const { groupBy } = aggregate
    if (groupBy !== undefined) return await computeGroups(records, groupBy, aggregate, work)
    const result = new Aggregate(aggregate.field ?? '')
    work.take(records.length)
    await work.each(records, 1, record => { result.add(record) })
    return result.result(aggregate.function)
  }
  const sorted = sort === undefined ? records : await sortBy(records, Object.entries(sort), work)
  const page = sorted.slice(offset, limit === undefined ? undefined : offset + limit)
  return fields.length === 0 ? page : await project(page, fields, work)
}

type Keys = ReadonlyArray<readonly [field: string, direction: 'asc' | 'desc']>

async function sortBy (
  records: readonly StoreRecord[], keys: Keys, work: Work
): Promise<readonly StoreRecord[]> {
  if (keys.length === 0) return records
  const orderings = keys.map(([field]) => ({ field, ordering: new Ordering() }))
  work.take(records.length * keys.length)
  await work.each(records, keys.length, record => {
    for (const { field, ordering } of orderings) ordering.add(record[field])
  })
  const compare = (a: StoreRecord, b: StoreRecord): number => compareBy(keys, a, b)
  // Where the store's order contradicts itself, only its own way leads to the same outcome.
  const isOrder = orderings.every(({ ordering }) => ordering.isOrder)
  return isOrder ? await sortInSlices(records, compare, work) : [...records].sort(compare)
}

/** Absent values come last, whichever the direction. */
function compareBy (keys: Keys, a: StoreRecord, b: StoreRecord): number {
  for (const [field, direction] of keys) {
    const left = a[field]
    const right = b[field]
    if (left === right) continue
    if (left == null) return 1
    if (right == null) return -1
    const order = (left as number) < (right as number) ? -1 : (left as number) > (right as number) ? 1 : 0
    return direction === 'desc' ? -order : order
  }
  return 0
}

async function project (
  records: readonly StoreRecord[], fields: readonly string[], work: Work
): Promise<object[]> {
  const projected: object[] = []
  work.take(records.length * fields.length)
  await work.each(records, 4 * fields.length, record => {
    const picked: Record<string, unknown> = {}
    for (const field of fields) if (field in record) picked[field] = record[field]
    projected.push(picked)
  })
  return projected
}
