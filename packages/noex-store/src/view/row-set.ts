import type { Bucket } from '../bucket/bucket.js'
import type { CompiledFilter } from '../filter/filter.js'
import { KeyMap } from '../rows/key-map.js'
import type { RecordChange } from '../types/commit.js'
import type { Sort } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { EntryOrder, type Entry } from './entry.js'
import { RankedList } from './ranked-list.js'

/** Estimated bytes of a row set without rows, and of one row. */
const SET_BYTES = 2_400
const ROW_BYTES = 100

/** Steps between which the clock may be looked at. */
type Steps<Result = void> = Generator<undefined, Result>

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

  /** Makes a row known by its key; `append` puts it into the order. */
  register (entry: Entry): void {
    this.#byKey.set(this.keyOf(entry.record), entry)
  }

  /** Adds registered rows that are in order and come after all others: `APPENDED` at most. */
  append (entries: Entry[]): void {
    this.#list.append(entries)
  }

  /**
   * Follows a change of a record, in steps: one for each view that hears of it.
   * @throws FilterError for a record that cannot be tried; then nothing has changed
   */
  * change ({ before, after, place }: RecordChange): Steps {
    const isIn = after !== undefined && (this.filter === undefined || this.filter.test(after))
    const key = this.keyOf((after ?? before) as StoreRecord)
    const entry = this.#byKey.get(key)
    if (entry === undefined) {
      if (!isIn) return
      const inserted = { record: after, place: place as number }
      this.#byKey.set(key, inserted)
      yield * this.#insert(inserted)
    } else if (isIn) {
      yield * this.#update(entry, after)
    } else {
      this.#byKey.delete(key)
      yield * this.#remove(entry)
    }
  }

  clear (): void {
    this.#list = new RankedList(this.order.compare)
    this.#byKey = new KeyMap()
    for (const observer of this.observers) observer.onClear()
  }

  * #insert (entry: Entry): Steps<number> {
    const index = this.#list.insert(entry)
    for (const observer of this.observers) {
      observer.onInsert(entry, index)
      yield
    }
    return index
  }

  * #remove (entry: Entry): Steps<number> {
    const index = this.#list.remove(entry)
    for (const observer of this.observers) {
      observer.onRemove(entry, index)
      yield
    }
    return index
  }

  * #update (entry: Entry, after: StoreRecord): Steps {
    const before = entry.record
    if (this.order.compareRecords(before, after) === 0) {
      entry.record = after
      for (const observer of this.observers) {
        observer.onUpdate(entry, before)
        yield
      }
      return
    }
    const from = yield * this.#remove(entry)
    entry.record = after
    const to = yield * this.#insert(entry)
    if (from === to) return
    for (const observer of this.observers) {
      observer.onMove(entry)
      yield
    }
  }
}
