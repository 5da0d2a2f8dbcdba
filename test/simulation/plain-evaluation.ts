import type {
  Aggregate, DeclarativeQueryConfig, GroupByResult, QueryBucket, QueryContext, Sort, StoreRecord, WhereFilter
} from '@hamicek/noex-store'
import type { StateAt } from './history.js'

// The oracle of the simulation: queries evaluated over plain lists, as PROTOCOL.md says it, with nothing of
// the store's own code.

/** The records of a bucket that may be read: all, none, or those that match. */
export type Rows = (bucket: string) => true | false | WhereFilter

/** Says that a bucket is not there, or may not be read. */
export class Unreadable extends Error {}

/** Returns the records of a bucket that may be read, in their order. */
function readable (state: StateAt, rows: Rows, bucket: string): readonly StoreRecord[] {
  const records = state.buckets.get(bucket)
  const scope = rows(bucket)
  if (records === undefined || scope === false) throw new Unreadable(bucket)
  return scope === true ? records : records.filter(record => matches(record, scope))
}

/** Evaluates a query as data; its placeholders are filled already. */
export function evaluate (state: StateAt, rows: Rows, config: DeclarativeQueryConfig): unknown {
  const { bucket, filter, aggregate } = config
  const all = readable(state, rows, bucket)
  const found = filter === undefined ? all : all.filter(record => matches(record, filter))
  if (aggregate !== undefined) {
    const { groupBy, ...rest } = aggregate
    return groupBy === undefined ? aggregated(found, rest) : grouped(found, [groupBy].flat(), rest)
  }
  const { fields = [] } = config
  const list = part(found, config)
  if (fields.length === 0) return list
  return list.map(record => Object.fromEntries(
    fields.filter(field => Object.hasOwn(record, field)).map(field => [field, record[field]])
  ))
}

/** Returns a context for queries in code. */
export function plainContext (state: StateAt, rows: Rows): QueryContext {
  return {
    bucket: name => {
      const all = readable(state, rows, name)
      const where = (filter: WhereFilter = {}): StoreRecord[] => all.filter(record => matches(record, filter))
      const bucket: Pick<QueryBucket, 'get' | 'all' | 'where' | 'find' | 'count' | 'findOne' | 'sum'> = {
        get: async key => all.find(record => record['id'] === key),
        all: async () => [...all],
        where: async filter => where(filter),
        find: async options => [...part(where(options.filter), options)],
        count: async filter => where(filter).length,
        findOne: async filter => where(filter)[0],
        sum: async (field, filter) => aggregated(where(filter), { function: 'sum', field }) as number
      }
      return bucket as QueryBucket
    }
  }
}

interface Window {
  readonly sort?: Sort | undefined
  readonly offset?: number | undefined
  readonly limit?: number | undefined
}

function part (records: readonly StoreRecord[], { sort, offset = 0, limit = Infinity }: Window) {
  const list = sort === undefined ? records : [...records].sort((a, b) => compareBy(sort, a, b))
  return list.slice(offset, offset + limit)
}

/** Orders records by the values of some fields; 0 for those that stay in the order of insertion. */
function compareBy (sort: Sort, a: StoreRecord, b: StoreRecord): number {
  for (const [field, direction] of Object.entries(sort)) {
    const [left, right] = [rank(valueAt(a, field)), rank(valueAt(b, field))]
    if (left === undefined || right === undefined) {
      if (left !== right) return left === undefined ? 1 : -1
      continue
    }
    const order = left[0] - right[0] || (left[1] < right[1] ? -1 : left[1] > right[1] ? 1 : 0)
    if (order !== 0) return direction === 'desc' ? -order : order
  }
  return 0
}

function rank (value: unknown): readonly [kind: number, value: number | string] | undefined {
  switch (typeof value) {
    case 'number': return [0, value]
    case 'boolean': return [0, Number(value)]
    case 'string': return [1, value]
    default: return undefined
  }
}

function valueAt (record: unknown, path: string): unknown {
  let value = record
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/** Whether a record matches a filter. */
function matches (record: StoreRecord, filter: WhereFilter): boolean {
  return Object.entries(filter).every(([name, operand]) => {
    if (name === '$or') return (operand as WhereFilter[]).some(branch => matches(record, branch))
    if (name === '$and') return (operand as WhereFilter[]).every(branch => matches(record, branch))
    const value = valueAt(record, name)
    if (!isOperators(operand)) return isEqual(value, operand)
    return Object.entries(operand).every(([operator, bound]) => holds(operator, value, bound))
  })
}

function isOperators (operand: unknown): operand is Record<string, unknown> {
  if (typeof operand !== 'object' || operand === null || Array.isArray(operand)) return false
  const names = Object.keys(operand)
  return names.length > 0 && names.every(name => name.startsWith('$'))
}

function isEqual (value: unknown, operand: unknown): boolean {
  return value === operand && (value === null || typeof value !== 'object')
}

function holds (operator: string, value: unknown, bound: unknown): boolean {
  const isThere = value !== null && value !== undefined
  const [left, right] = [value as number, bound as number]
  switch (operator) {
    case '$eq': return isEqual(value, bound)
    case '$neq': return !isEqual(value, bound)
    case '$gt': return isThere && left > right
    case '$gte': return isThere && left >= right
    case '$lt': return isThere && left < right
    case '$lte': return isThere && left <= right
    case '$in': return (bound as unknown[]).some(item => isEqual(value, item))
    case '$nin': return !(bound as unknown[]).some(item => isEqual(value, item))
    case '$contains':
      return typeof value === 'string' && value.toLowerCase().includes(String(bound).toLowerCase())
    case '$startsWith': return typeof value === 'string' && value.startsWith(bound as string)
    case '$endsWith': return typeof value === 'string' && value.endsWith(bound as string)
    case '$exists': return isThere === bound
    case '$between': {
      const [low, high] = bound as [number, number]
      return isThere && left >= low && left <= high
    }
    default: throw new Error(`the plain evaluation has no operator ${operator}`)
  }
}

function aggregated (records: readonly StoreRecord[], { function: name, field = '' }: Aggregate): unknown {
  if (name === 'count') return records.length
  const numbers = records.map(record => valueAt(record, field)).filter(value => typeof value === 'number')
  const sum = numbers.reduce((total, value) => total + value, 0)
  switch (name) {
    case 'sum': return sum
    case 'avg': return numbers.length === 0 ? 0 : sum / numbers.length
    case 'min': return numbers.length === 0 ? undefined : Math.min(...numbers)
    case 'max': return numbers.length === 0 ? undefined : Math.max(...numbers)
  }
}

function grouped (
  records: readonly StoreRecord[], fields: readonly string[], aggregate: Aggregate
): GroupByResult[] {
  const groups = new Map<string, StoreRecord[]>()
  for (const record of records) {
    const id = JSON.stringify(fields.map(field => String(valueAt(record, field) ?? 'null')))
    groups.set(id, [...groups.get(id) ?? [], record])
  }
  return [...groups.values()].map(group => {
    const key = Object.fromEntries(fields.map(field => [field, valueAt(group[0], field)]))
    return { key, value: (aggregated(group, aggregate) ?? 0) as number }
  })
}
