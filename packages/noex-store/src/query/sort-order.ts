import { getterOf } from '../schema/path.js'
import type { Normalize } from '../schema/bucket-schema.js'
import { timeOf } from '../schema/stored-date.js'
import type { Sort } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'

/** A value that has a place in an order. */
export type Sortable = number | bigint | string

/** Fields and directions by which records are sorted, compiled once. */
export interface SortOrder {
  readonly keys: ReadonlyArray<{ readonly field: string, readonly isDescending: boolean }>
  /** Orders records; 0 for those that keep the order of the bucket. */
  readonly compare: (a: StoreRecord, b: StoreRecord) => number
  /** The values by which a record is ordered, one for each key; `undefined` for one that comes last. */
  readonly valuesOf: (record: StoreRecord) => SortValues
  /** Orders what `valuesOf` has returned for two records, as `compare` orders these. */
  readonly compareValues: (a: SortValues, b: SortValues) => number
}

/** Values by which a record is ordered. */
export type SortValues = ReadonlyArray<Sortable | undefined>

/**
 * Compiles a sort. Numbers, booleans and dates are ordered by size and come before texts, which are ordered
 * by their code units. Null, absent and all other values, NaN among them, come last in both directions.
 */
export function sortOrderOf (sort: Sort, normalizeOf: (field: string) => Normalize | undefined): SortOrder {
  const keys = Object.entries(sort).map(
    ([field, direction]) => ({ field, isDescending: direction === 'desc' })
  )
  const readers = keys.map(({ field }) => readerOf(field, normalizeOf(field)))
  const compares = keys.map(({ isDescending }, i) => compareOf(readers[i] as Read, isDescending))
  return {
    keys,
    compare: oneAfterAnother(compares),
    valuesOf: record => readers.map(read => sortableOf(read(record))),
    compareValues (a, b) {
      for (let i = 0; i < keys.length; i++) {
        const less = keys[i]?.isDescending === true ? 1 : -1
        const order = compareSortables(a[i], b[i], less, -less)
        if (order !== 0) return order
      }
      return 0
    }
  }
}

type Read = (record: StoreRecord) => unknown

function readerOf (field: string, normalize: Normalize | undefined): Read {
  const get = getterOf(field)
  return normalize === undefined ? get : record => normalize(get(record))
}

function oneAfterAnother (compares: ReadonlyArray<SortOrder['compare']>): SortOrder['compare'] {
  const [first, second] = compares
  if (first === undefined) return () => 0
  if (second === undefined) return first
  return (a, b) => {
    for (const compare of compares) {
      const order = compare(a, b)
      if (order !== 0) return order
    }
    return 0
  }
}

function compareOf (read: Read, isDescending: boolean): SortOrder['compare'] {
  const [less, greater] = isDescending ? [1, -1] : [-1, 1]
  return (a, b) => {
    const from = read(a)
    const to = read(b)
    if (typeof from === 'number' && typeof to === 'number') {
      if (from < to) return less
      if (from > to) return greater
      if (from === to) return 0
    }
    return compareSortables(sortableOf(from), sortableOf(to), less, greater)
  }
}

function compareSortables (
  from: Sortable | undefined, to: Sortable | undefined, less: number, greater: number
): number {
  if (from === undefined || to === undefined) {
    return from === to ? 0 : from === undefined ? 1 : -1
  }
  const isText = typeof from === 'string'
  if (isText !== (typeof to === 'string')) return isText ? greater : less
  return from < to ? less : from > to ? greater : 0
}

/** Returns a value as it is compared, `undefined` where it has no place in an order. */
function sortableOf (value: unknown): Sortable | undefined {
  switch (typeof value) {
    case 'string':
    case 'bigint': return value
    case 'number': return Number.isNaN(value) ? undefined : value
    case 'boolean': return Number(value)
    default: return value instanceof Date ? sortableOf(timeOf(value)) : undefined
  }
}
