import type { Bucket } from '../bucket/bucket.js'
import type { CompiledFilter } from '../filter/filter.js'
import { KeyMap } from '../rows/key-map.js'
import type { RecordChange } from '../types/commit.js'
import type { Sort } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { EntryOrder, type Entry } from './entry.js'
import { RankedList } from './ranked-list.js'

/** Estimated bytes of a row set without rows, and of one row. */
const SET_BYTES = 1_500
const ROW_BYTES = 120

/** Hears how the rows of a set change, one row after the other. */
export interface RowSetObserver {
  /** A row has gone from an index. */
  onRemove: (entry: Entry, index: number) => void
  /** A row has come to an index. */
  onInsert: (entry: Entry, index: number) => void
  /** The row that has just gone and come is at another index. */
  onMove: (entry: Entry) => void
  /** A row has another record at the same index. */
  onUpdate: (entry: Entry, before: StoreRecord) => void
  /** All rows have gone. */
  onClear: () => void
}

/** The records of a bucket that match a filter, in order: what all views of them share. */
export class RowSet {
  readonly filter: CompiledFilter | undefined
  readonly order: EntryOrder
  readonly keyField: string
  readonly observers = new Set<RowSetObserver>()
  readonly #normalizeKey: (key: unknown) => unknown
  #list: RankedList<Entry>
  #byKey = new KeyMap<Entry>()

  constructor (bucket: Bucket, filter: CompiledFilter | undefined, sort: Sort | undefined) {
    this.filter = filter
    this.order = new EntryOrder(sort, bucket.schema)
    this.keyField = bucket.schema.key
    this.#normalizeKey = bucket.schema.normalizeOf(bucket.schema.key) ?? (key => key)
    this.#list = new RankedList(this.order.compare)
  }

  /** The rows in order. It is another list after `clear`. */
  get list (): Omit<RankedList<Entry>, 'insert' | 'remove' | 'append'> {
    return this.#list
  }

  /** Estimated bytes. */
  get bytes (): number {
    return SET_BYTES + this.#list.size * ROW_BYTES
  }

  entry (key: unknown): Entry | undefined {
    return this.#byKey.get(this.#normalizeKey(key))
  }

  /** The key of a record, as it is compared. */
  keyOf (record: StoreRecord): unknown {
    return this.#normalizeKey(record[this.keyField])
  }

  /** Adds rows that are in order and come after all others: `APPENDED` at most. */
  append (entries: Entry[]): void {
    for (const entry of entries) this.#byKey.set(this.keyOf(entry.record), entry)
    this.#list.append(entries)
  }

  /**
   * Follows a change of a record.
   * @throws FilterError for a record that cannot be tried; then nothing has changed
   */
  change ({ before, after, place }: RecordChange): void {
    const isIn = after !== undefined && (this.filter === undefined || this.filter.test(after))
    const key = this.keyOf((after ?? before) as StoreRecord)
    const entry = this.#byKey.get(key)
    if (entry === undefined) {
      if (isIn) this.#insert(key, { record: after, place: place as number })
    } else if (isIn) {
      this.#update(entry, after)
    } else {
      this.#byKey.delete(key)
      const index = this.#list.remove(entry)
      for (const observer of this.observers) observer.onRemove(entry, index)
    }
  }

  clear (): void {
    this.#list = new RankedList(this.order.compare)
    this.#byKey = new KeyMap()
    for (const observer of this.observers) observer.onClear()
  }

  #insert (key: unknown, entry: Entry): void {
    this.#byKey.set(key, entry)
    const index = this.#list.insert(entry)
    for (const observer of this.observers) observer.onInsert(entry, index)
  }

  #update (entry: Entry, after: StoreRecord): void {
    const before = entry.record
    if (this.order.compareRecords(before, after) === 0) {
      entry.record = after
      for (const observer of this.observers) observer.onUpdate(entry, before)
      return
    }
    const from = this.#list.remove(entry)
    for (const observer of this.observers) observer.onRemove(entry, from)
    entry.record = after
    const to = this.#list.insert(entry)
    for (const observer of this.observers) {
      observer.onInsert(entry, to)
      if (from !== to) observer.onMove(entry)
    }
  }
}
