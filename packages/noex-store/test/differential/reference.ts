import type { BucketDefinition, StoreRecord } from 'registry-noex-store'
import type { Filter } from './operations.js'
import { exactMean, exactSum } from '../support/exact.js'

/** The right answers to reads, said as plainly as possible: walks over lists, no index, no plan. */

type Fields = Readonly<Record<string, unknown>>

/** Reads a field or a dotted path; inherited members are none. */
export function valueOf (record: Fields, path: string): unknown {
  if (Object.hasOwn(record, path)) return record[path]
  let value: unknown = record
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Fields)[name]
  }
  return value
}

export function isDate (definition: BucketDefinition, field: string): boolean {
  return Object.hasOwn(definition.schema, field) && definition.schema[field]?.type === 'date'
}

/** Returns the form by which a value is compared: in date fields, the instant. */
export function comparable (definition: BucketDefinition, field: string, value: unknown): unknown {
  if (!isDate(definition, field)) return value
  if (value instanceof Date) return value.getTime()
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d/.test(value)) return value
  const time = Date.parse(value)
  return Number.isNaN(time) ? value : time
}

/** Tells whether an operand of the filter cannot be used, or can match nothing. */
export function isBadFilter (filter: Filter, definition: BucketDefinition): boolean {
  return Object.entries(filter).some(([field, value]) => {
    if (field === '$or' || field === '$and') {
      return (value as Filter[]).some(part => isBadFilter(part, definition))
    }
    if (!isOperators(value)) return false
    return Object.entries(value).some(([operator, operand]) => {
      if (operand === undefined) return false
      if (operator === '$in' || operator === '$nin') return !Array.isArray(operand)
      if (['$startsWith', '$endsWith', '$contains'].includes(operator)) return typeof operand !== 'string'
      if (operator !== '$between') return false
      if (!Array.isArray(operand) || operand.length !== 2) return true
      const [lower, upper] = operand.map(bound => comparable(definition, field, bound)) as [number, number]
      return typeof lower === typeof upper && lower > upper
    })
  })
}

export function isOperators (value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) &&
    Object.keys(value).length > 0 && Object.keys(value).every(name => name.startsWith('$'))
}

export function matches (record: StoreRecord, filter: Filter, definition: BucketDefinition): boolean {
  return Object.entries(filter).every(([field, value]) => {
    if (field === '$or') return (value as Filter[]).some(part => matches(record, part, definition))
    if (field === '$and') return (value as Filter[]).every(part => matches(record, part, definition))
    const found = comparable(definition, field, valueOf(record, field))
    const operands = isOperators(value) ? Object.entries(value) : [['$eq', value] as const]
    return operands.every(([operator, operand]) => (operand === undefined && isOperators(value)) ||
      holds(operator, found, operandOf(definition, field, operand)))
  })
}

function operandOf (definition: BucketDefinition, field: string, operand: unknown): unknown {
  return Array.isArray(operand) && isDate(definition, field)
    ? operand.map(item => comparable(definition, field, item))
    : comparable(definition, field, operand)
}

function holds (operator: string, found: unknown, operand: unknown): boolean {
  const value = found as number
  const bound = operand as number
  const isThere = found !== undefined && found !== null
  switch (operator) {
    case '$eq': return found === operand || isSameTime(found, operand)
    case '$neq': return !(found === operand || isSameTime(found, operand))
    case '$gt': return isThere && value > bound
    case '$gte': return isThere && value >= bound
    case '$lt': return isThere && value < bound
    case '$lte': return isThere && value <= bound
    case '$in': return (operand as unknown[]).some(item => isIncluded(found, item))
    case '$nin': return !(operand as unknown[]).some(item => isIncluded(found, item))
    case '$contains':
      return typeof found === 'string' && found.toLowerCase().includes(String(operand).toLowerCase())
    case '$startsWith': return typeof found === 'string' && found.startsWith(operand as string)
    case '$endsWith': return typeof found === 'string' && found.endsWith(operand as string)
    case '$exists': return operand === isThere
    case '$between': {
      const [lower, upper] = operand as [number, number]
      return isThere && value >= lower && value <= upper
    }
    default: return true
  }
}

function isIncluded (value: unknown, item: unknown): boolean {
  return [item].includes(value) || isSameTime(value, item)
}

function isSameTime (a: unknown, b: unknown): boolean {
  return a instanceof Date && b instanceof Date && a.getTime() === b.getTime()
}

/** An aggregate of the numbers of a field; `undefined` for the least of none. */
export function aggregate (name: string, records: readonly Fields[], field: string): number | undefined {
  if (name === 'count') return records.length
  const numbers = records.map(record => valueOf(record, field)).filter(value => typeof value === 'number')
  if (name === 'sum') return exactSum(numbers)
  if (name === 'avg') return exactMean(numbers)
  if (numbers.length === 0) return undefined
  // One zero for both.
  return (name === 'min' ? Math.min(...numbers) : Math.max(...numbers)) + 0
}

/** Groups by the text form of some fields, in the order of their first appearance. */
export function groups (
  records: readonly StoreRecord[], fields: readonly string[], name: string, definition: BucketDefinition
): unknown[] {
  const byText = new Map<string, StoreRecord[]>()
  for (const record of records) {
    const text = fields
      .map(field => String(comparable(definition, field, valueOf(record, field)) ?? 'null')).join('\0')
    byText.set(text, [...byText.get(text) ?? [], record])
  }
  return [...byText.values()].map(members => ({
    key: Object.fromEntries(fields.map(field => [field, valueOf(members[0] as StoreRecord, field)])),
    value: aggregate(name, members, 'n') ?? 0
  }))
}

/**
 * Sorts by fields: numbers before texts, values without a place last in both directions, equal ones in their
 * order.
 */
export function sort (
  records: readonly StoreRecord[],
  order: Readonly<Record<string, 'asc' | 'desc'>>,
  definition: BucketDefinition
): StoreRecord[] {
  return [...records].sort((a, b) => {
    for (const [field, direction] of Object.entries(order)) {
      const [from, to] = [a, b].map(record => sortable(comparable(definition, field, valueOf(record, field))))
      if (from === to) continue
      if (from === undefined) return 1
      if (to === undefined) return -1
      const isLess = typeof from === typeof to ? from < to : typeof from === 'number'
      return isLess === (direction === 'asc') ? -1 : 1
    }
    return 0
  })
}

/** Returns the form by which a value is sorted; `undefined` where it has no place in an order. */
function sortable (value: unknown): number | string | undefined {
  if (typeof value === 'boolean' || value instanceof Date) return Number(value)
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}

/** Whether values of several kinds, or of none that has an order, meet in a sort. */
export function isMixed (records: readonly StoreRecord[], fields: readonly string[]): boolean {
  return fields.some(field => new Set(records.map(record => record[field])
    .filter(value => value !== null && value !== undefined)
    .map(value => typeof value === 'object' ? {} : typeof value)).size > 1)
}
