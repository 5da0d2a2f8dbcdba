import type {
  AggregateFunction, DeclarativeQueryConfig, GroupByResult, QueryBucket, StoreRecord, WhereFilter
} from '@hamicek/noex-store'
import { aggregateValues, isFiniteNumber } from './aggregate.js'

export interface GroupAggregate {
  readonly function: AggregateFunction
  readonly field?: string
}

/**
 * Groups records by the text form of their fields, in order of first appearance, as noex-store's `groupBy`
 * does: its transactions have no such method. An empty `min` or `max` is 0.
 */
export function computeGroups (records: readonly StoreRecord[], field: string | readonly string[], aggregate: GroupAggregate): GroupByResult[] {
  const fields = typeof field === 'string' ? [field] : field
  const groups = new Map<string, { readonly key: Record<string, unknown>, readonly values: unknown[] }>()
  for (const record of records) {
    const id = fields.map(name => String(record[name] ?? 'null')).join('\0')
    let group = groups.get(id)
    if (group === undefined) {
      group = { key: Object.fromEntries(fields.map(name => [name, record[name]])), values: [] }
      groups.set(id, group)
    }
    group.values.push(aggregate.field === undefined ? undefined : record[aggregate.field])
  }
  return [...groups.values()].map(({ key, values }) => ({
    key,
    value: aggregateValues(aggregate.function, values) ?? 0
  }))
}

/**
 * Aggregates a field in the store. The store adds up until it overflows, and takes what is not finite for a
 * number: where that shows, the figure is made of the records.
 * @throws `VALIDATION_ERROR` when the sum is beyond what a number holds
 */
export async function aggregateField (
  reads: QueryBucket, fn: Exclude<AggregateFunction, 'count'>, field: string, filter?: WhereFilter
): Promise<number | undefined> {
  const value = await reads[fn](field, filter)
  if (value === undefined || isFiniteNumber(value)) return value
  return aggregateValues(fn, (await reads.where(filter ?? {})).map(record => record[field]))
}

/** Groups records in the store, as `aggregateField` aggregates them. */
export async function groupRecords (
  reads: QueryBucket, field: string | string[], aggregate: GroupAggregate, filter?: WhereFilter
): Promise<GroupByResult[]> {
  const groups = await reads.groupBy(field, aggregate, filter)
  return groups.every(({ value }) => isFiniteNumber(value))
    ? groups
    : computeGroups(await reads.where(filter ?? {}), field, aggregate)
}

/**
 * Does the same for the result of a declarative query with an aggregate; `records` reads what the query has
 * selected.
 */
export async function finiteAggregate (
  result: unknown,
  { function: fn, field, groupBy }: QueryAggregate,
  records: () => Promise<readonly StoreRecord[]>
): Promise<unknown> {
  if (groupBy === undefined) {
    if (result === undefined || isFiniteNumber(result)) return result
    return aggregateValues(fn, (await records()).map(record => record[field ?? '']))
  }
  const isFinite = (result as readonly GroupByResult[]).every(({ value }) => isFiniteNumber(value))
  const fields = typeof groupBy === 'string' ? groupBy : [...groupBy]
  return isFinite
    ? result
    : computeGroups(
      await records(),
      fields,
      field === undefined ? { function: fn } : { function: fn, field }
    )
}

type QueryAggregate = NonNullable<DeclarativeQueryConfig['aggregate']>
