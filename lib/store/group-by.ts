import type {
  AggregateFunction, DeclarativeQueryConfig, GroupByResult, StoreRecord
} from '@hamicek/noex-store'
import { aggregateValues, isFiniteNumber } from './aggregate.js'
import { Aggregate } from './aggregates.js'
import { Work } from './work.js'

export interface GroupAggregate {
  readonly function: AggregateFunction
  readonly field?: string
}

/**
 * Groups records by the text form of their fields, in order of first appearance, as noex-store's `groupBy`
 * does, in slices. An empty `min` or `max` is 0.
 */
export async function computeGroups (
  records: readonly StoreRecord[], field: string | readonly string[], aggregate: GroupAggregate, work: Work
): Promise<GroupByResult[]> {
  const fields = typeof field === 'string' ? [field] : field
  const groups = new Map<string, { readonly key: Record<string, unknown>, readonly values: Aggregate }>()
  work.take(records.length * (fields.length + 1))
  // The text of a value may be long, and so takes longer than a condition.
  await work.each(records, 16 * fields.length, record => {
    const id = fields.map(name => String(record[name] ?? 'null')).join('\0')
    let group = groups.get(id)
    if (group === undefined) {
      const key: Record<string, unknown> = {}
      for (const name of fields) key[name] = record[name]
      group = { key, values: new Aggregate(aggregate.field ?? '') }
      groups.set(id, group)
    }
    group.values.add(record)
  })
  const results: GroupByResult[] = []
  await work.each([...groups.values()], 1, ({ key, values }) => {
    results.push({ key, value: values.result(aggregate.function) ?? 0 })
  })
  return results
}

/**
 * Corrects the result of a declarative query with an aggregate that noex-store has run: it adds up until it
 * overflows, and takes what is not finite for a number. Where that shows, the figure is made of the `records`
 * that the query has selected.
 * @throws `VALIDATION_ERROR` when the sum is beyond what a number holds
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
    : await computeGroups(
      await records(),
      fields,
      field === undefined ? { function: fn } : { function: fn, field },
      new Work(Infinity)
    )
}

type QueryAggregate = NonNullable<DeclarativeQueryConfig['aggregate']>
