import { reuse, type Row } from './delta.js'
import type { ServerMessage } from './link.js'
import type { QueryEntry } from './live-query.js'
import { compare, matches } from './matching.js'
import type { OptimisticTransaction } from './types.js'

/** A write of a transaction, or a change of what one live query shows. */
interface Change {
  readonly op: 'insert' | 'update' | 'delete' | 'query'
  /** That of a write. */
  readonly bucket?: string
  /** The key of the record; of a new one that has none a temporary key; of a live query its `key`. */
  readonly key: unknown
  /** The data of a write, as they are sent. */
  readonly data?: Row
  /** The new record, as it is shown. */
  record?: Row
  /** Whether that is the server's. */
  isWhole?: boolean
  readonly change?: (data: any) => unknown
}

/** The live queries of a client, by key. */
export type Entries = ReadonlyMap<string, QueryEntry>

let inserts = 0

/** The changes of one `optimistic`, which lie over the results of live queries. */
export class Layer {
  readonly changes: Change[] = []
  isAnswered = false
  /** A revision of the store that has the changes, where the server has told it. */
  revision: number | undefined
  /** The queries whose results have the changes. */
  readonly #shownBy = new Set<QueryEntry>()

  /** Collects the changes. @throws what `change` throws, and where something is no JSON */
  constructor (change: (tx: OptimisticTransaction) => void) {
    let isOpen = true
    const add = (added: Change): void => {
      if (!isOpen) throw new Error('optimistic: the function must make its changes before it returns')
      this.changes.push(added)
    }
    change({
      bucket: bucket => ({
        insert: given => {
          const data = copyOf(given)
          const now = Date.now()
          const record = { ...data, _version: 1, _createdAt: now, _updatedAt: now }
          add({ op: 'insert', bucket, key: `optimistic-${++inserts}-${Math.random()}`, data, record })
        },
        update: (key, changes) => { add({ op: 'update', bucket, key, data: copyOf(changes) }) },
        delete: key => { add({ op: 'delete', bucket, key }) }
      }),
      query: ({ key }, change) => { add({ op: 'query', key, change }) }
    })
    isOpen = false
  }

  /** The entries of the transaction. */
  get operations (): object[] {
    return this.#writes.map(({ op, bucket, key, data }) =>
      ({ op, bucket, ...(op !== 'insert' && { key }), ...(data && { data }) }))
  }

  get #writes (): Change[] {
    return this.changes.filter(({ op }) => op !== 'query')
  }

  /** Takes the reply: new records are those of the server from now on. */
  answer ({ revision, data }: ServerMessage): void {
    this.isAnswered = true
    this.revision = Number.isSafeInteger(revision) ? revision : undefined
    this.#writes.forEach((write, i) => {
      const record = data?.results?.[i]?.data
      if (write.op !== 'insert' || record === null || typeof record !== 'object') return
      write.record = record
      write.isWhole = true
    })
  }

  /**
   * Takes note that a query has a result of a revision, the answer to a request or a push. Once this is
   * answered, a later request shows its changes, and so does a push where revisions are not known: a reply
   * comes before the pushes that it causes.
   */
  saw (entry: QueryEntry, revision: number | undefined, isReply: boolean): void {
    const isBefore = !isReply && this.revision !== undefined && !(revision as number >= this.revision)
    if (this.isAnswered && !isBefore) this.#shownBy.add(entry)
  }

  /** Whether it lies over a query. */
  covers (entry: QueryEntry): boolean {
    return !this.#shownBy.has(entry)
  }
}

/** Returns what a live query shows under layers. @throws what a change of the application throws */
export function overlaid (
  entry: QueryEntry, layers: readonly Layer[], entries: Entries
): unknown {
  let { data } = entry
  const made: Change[] = []
  for (const layer of layers) {
    for (const change of layer.changes) {
      made.push(change)
      if (layer.covers(entry)) data = changed(entry, data, change, made, entries)
    }
  }
  return data === entry.data ? data : reuse(entry.state.data, data)
}

/** Returns data with a change, the last of `made`. */
function changed (
  entry: QueryEntry, data: unknown, change: Change, made: readonly Change[], entries: Entries
): unknown {
  const { op, bucket } = change
  if (op === 'query') {
    return change.key === entry.key && data !== undefined ? change.change?.(data) : data
  }
  const { rowKey, request: { find } } = entry
  if (bucket !== entry.bucket || rowKey === null || !Array.isArray(data)) return data
  const key = keyIn(change, rowKey)
  const former: Row | undefined = data.find(row => row[rowKey] === key)
  if (former === undefined) {
    if (op === 'delete' || find === undefined || find.offset) return data
    const { record, isWhole } = recordOf(key, rowKey, made, change, entries)
    if (record === undefined || matches(find.filter ?? {}, record, isWhole) !== true) return data
    return placed(entry, data, pick({ ...record, [rowKey]: key }, find.fields))
  }
  if (op === 'insert') return data
  const others = data.filter(row => row !== former)
  if (op === 'delete') return others
  // Of a query whose fields are not known, a row with metadata is the whole record.
  const fields = find === undefined ? '_version' in former ? undefined : Object.keys(former) : find.fields
  const row = { ...former, ...pick(change.data as Row, fields), [rowKey]: key }
  const record = { ...former, ...change.data }
  if (matches(find?.filter ?? {}, record, fields === undefined) === false) return others
  const isMoved = isSorted(entry) && compare(find?.sort ?? {}, former, row) !== 0
  return isMoved ? placed(entry, others, row, true) : data.map(other => other === former ? row : other)
}

/** Returns the rows with another one at its place; without where that is outside of the page or the limit. */
function placed (entry: QueryEntry, rows: readonly Row[], row: Row, isMoved = false): readonly Row[] {
  const { find, page } = entry.request
  const index = isSorted(entry) ? rows.findIndex(other => compare(find?.sort ?? {}, row, other) < 0) : -1
  if (index < 0 ? entry.state.hasMore === true : index === 0 && page?.after != null && !isMoved) return rows
  const list = [...rows]
  list.splice(index < 0 ? list.length : index, 0, row)
  return list.slice(0, find?.limit)
}

/** Whether the rows of a query have what they are sorted by. */
function isSorted ({ request: { find } }: QueryEntry): boolean {
  const { sort, fields } = find ?? {}
  return sort !== undefined && Object.keys(sort).every(field => fields?.includes(field) ?? true)
}

/** Returns a record under changes, as far as a live query or a change has it as a whole. */
function recordOf (
  key: unknown, rowKey: string, made: readonly Change[], { bucket }: Change, entries: Entries
): { record: Row | undefined, isWhole: boolean } {
  let record: Row | undefined
  for (const entry of entries.values()) {
    if (record !== undefined || entry.bucket !== bucket || entry.rowKey !== rowKey) continue
    const { find } = entry.request
    const isWhole = find !== undefined && find.fields === undefined
    record = (entry.data as Row[]).find(row => row[rowKey] === key && (isWhole || '_version' in row))
  }
  let isWhole = record !== undefined
  for (const change of made) {
    if (change.bucket !== bucket || keyIn(change, rowKey) !== key) continue
    if (change.op === 'insert') {
      record ??= change.record
      isWhole ||= change.isWhole === true
    } else {
      record = change.op === 'delete' ? undefined : record && { ...record, ...change.data }
    }
  }
  return { record, isWhole }
}

function keyIn ({ op, key, record }: Change, rowKey: string): unknown {
  return op === 'insert' ? record?.[rowKey] ?? key : key
}

function pick (record: Row, fields: readonly string[] | undefined): Row {
  if (fields === undefined) return record
  return Object.fromEntries(Object.entries(record).filter(([name]) => fields.includes(name)))
}

function copyOf (data: object): Row {
  return JSON.parse(JSON.stringify(data))
}
