import type { AggregateFunction, GroupByResult, StoreRecord } from '@hamicek/noex-store'
import { Aggregate } from './aggregates.js'
import type { Work } from './work.js'

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
