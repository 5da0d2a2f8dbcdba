import type { AggregateFunction, GroupByResult, StoreRecord } from '@hamicek/noex-store'

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
  return [...groups.values()].map(({ key, values }) => ({ key, value: reduce(aggregate.function, values) }))
}

function reduce (fn: AggregateFunction, values: readonly unknown[]): number {
  if (fn === 'count') return values.length
  const numbers = values.filter(value => typeof value === 'number')
  if (numbers.length === 0) return 0
  switch (fn) {
    case 'sum': return sum(numbers)
    case 'avg': return sum(numbers) / numbers.length
    case 'min': return numbers.reduce((a, b) => Math.min(a, b))
    case 'max': return numbers.reduce((a, b) => Math.max(a, b))
  }
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}
