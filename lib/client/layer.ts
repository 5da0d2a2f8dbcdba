import { checkOptions, jsonOf, mustBe, TEXT } from './checks.js'
import type { Row } from './delta.js'
import type { QueryEntry } from './live-query.js'
import { compare, matches } from './matching.js'
import { none } from './report.js'
import type { OptimisticTransaction, WriteOptions } from './types.js'

/** The live queries of a client, by key. */
export type Entries = ReadonlyMap<string, QueryEntry>

/** A write of a transaction, or a change of what one live query shows. */
export interface Change {
  /** That of a write. */
  readonly op?: 'insert' | 'update' | 'delete'
  readonly bucket?: string
  /** The key of the record, but of a new one; of a live query its `key`. */
  readonly key?: unknown
  /** The key of a new record as long as it has none. */
  readonly temporary?: string
  /** The data of a write, as they are sent. */
  readonly data?: Row
  readonly options?: object | undefined
  /** The record as it will be, as far as it is known. */
  record?: Row | undefined
  /** Whether that has all its members. */
  isWhole?: boolean
  /** The change of what a live query shows. */
  readonly change?: (data: any) => unknown
}

/** The changes of one `optimistic`, which lie over the results of live queries. */
export interface Layer {
  readonly changes: readonly Change[]
  /** The queries whose results have the changes. */
  readonly shownBy: Set<QueryEntry>
  /** A revision of the store that has the changes, once the server has answered; NaN where it has none. */
  revision?: number
}

let inserts = 0

/**
 * Collects the changes of a function.
 * @throws what it throws, and `TypeError` where something is no JSON, or the function is `async`
 */
export function collect (change: (tx: OptimisticTransaction) => void, entries: Entries): readonly Change[] {
  const changes: Change[] = []
  mustBe('optimistic: change', change, 'a function')
  const result: unknown = change({
    bucket: bucket => ({
      insert: given => {
        const data = copyOf(given)
        const now = Date.now()
        const record = { ...data, _version: 1, _createdAt: now, _updatedAt: now }
        changes.push({ op: 'insert', bucket, temporary: `optimistic-${++inserts}-${now}`, data, record })
      },
      update: (key: unknown, given: object, options?: object) => {
        checkWriteOptions(options)
        const data = copyOf(given)
        const record = recordOf(bucket, key, entries)
        const next = record && { ...record, ...data }
        changes.push({ op: 'update', bucket, key, data, options, record: next, isWhole: true })
      },
      delete: (key: unknown, options?: object) => {
        checkWriteOptions(options)
        changes.push({ op: 'delete', bucket, key, options })
      }
    }),
    query: (query, change) => {
      mustBe('tx.query: query.key (of a query by client.query)', Object(query).key, TEXT)
      mustBe('tx.query: change', change, 'a function')
      changes.push({ key: query.key, change })
    }
  })
  refusePromise('optimistic: the function', result)
  // What comes later is neither sent nor shown: it throws.
  return Object.freeze(changes)
}

/** @throws `TypeError` for the promise of a function of the application, which does its work too late */
function refusePromise (name: string, result: any): void {
  if (typeof result?.then !== 'function') return
  result.then(none, none)
  throw new TypeError(`${name} must do its work before it returns: it must not be async`)
}

/** Returns the data of a live query under layers. @throws what a change of the application throws */
export function overlaid (entry: QueryEntry, layers: readonly Layer[]): unknown {
  let data: unknown = entry.own.data
  for (const { changes, shownBy } of layers) {
    if (shownBy.has(entry)) continue
    for (const change of changes) {
      if (change.op) data = written(entry, data, change)
      else if (change.key === entry.key && data !== undefined) {
        data = change.change?.(data)
        refusePromise('tx.query: the function', data)
      }
    }
  }
  return data
}

/** Returns data with a write. */
function written (entry: QueryEntry, rows: unknown, change: Change): unknown {
  const { op, bucket, key, temporary, data } = change
  let { record, isWhole } = change
  const { rowKey, request: { find } } = entry
  if (bucket !== entry.bucket || !rowKey || !Array.isArray(rows)) return rows
  const own = key ?? record?.[rowKey] ?? temporary
  const former: Row | undefined = rows.find(row => row[rowKey] === own)
  if (former && op === 'insert') return rows
  let fields = find?.fields
  if (former) {
    // A row with metadata of a query that is not known is the whole record.
    if (!find && !('_version' in former)) fields = Object.keys(former)
    record = { ...former, ...data }
    isWhole = !fields
  }
  const isIn = op !== 'delete' && record && matches(find?.filter, record, isWhole)
  const others = rows.filter(row => row !== former)
  if (former ? isIn === false : !isIn || !find || find.offset) return others
  const row = Object.fromEntries(Object.entries({ ...record, [rowKey]: own })
    .filter(([name]) => fields?.includes(name) ?? true))
  return placed(entry, rows, others, former, row)
}

/**
 * Returns `rows`, which are `others` and maybe a former row, with one at its place; without it where that is
 * outside of the page or the limit.
 */
function placed (entry: QueryEntry, rows: Row[], others: Row[], former: Row | undefined, row: Row): Row[] {
  const { request: { find, page }, own: { hasMore } } = entry
  const { sort = {}, fields, limit } = find ?? {}
  const isSorted = Object.keys(sort).every(field => fields?.includes(field) ?? true)
  const order = (a: Row, b: Row): number => isSorted ? compare(sort, a, b) : 0
  if (former && order(former, row) === 0) return rows.map(other => other === former ? row : other)
  const index = others.findIndex(other => order(row, other) < 0)
  if (index < 0 ? hasMore : index === 0 && page?.after && !former) return others
  others.splice(index < 0 ? others.length : index, 0, row)
  return others.slice(0, limit)
}

/** Returns a record that a live query shows as a whole. */
function recordOf (bucket: string, key: unknown, entries: Entries): Row | undefined {
  for (const { bucket: own, rowKey, request: { find }, state: { data } } of entries.values()) {
    if (own !== bucket || rowKey === null) continue
    const found = data.find((row: Row) => row[rowKey] === key)
    if (found !== undefined && ('_version' in found || (find && !find.fields))) return found
  }
  return undefined
}

/** @throws `TypeError` for what are no options of a write */
function checkWriteOptions (options: WriteOptions = {}): void {
  checkOptions('optimistic: a write', options, { expectedVersion: '0 or a greater number' })
}

/** Returns what the server will see of an object. */
function copyOf (data: object): Row {
  mustBe('optimistic: data', data, 'an object')
  return JSON.parse(jsonOf('optimistic: data', data))
}
