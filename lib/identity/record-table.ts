import type { StoredRecord } from './records.js'

/** Groups records by a key, each group in the order of insertion. */
export class Index<T extends StoredRecord> {
  readonly #keyOf: (record: T) => string
  readonly #groups = new Map<string, Map<string, T>>()

  constructor (keyOf: (record: T) => string) {
    this.#keyOf = keyOf
  }

  /** Adds a record, or replaces `earlier`, its former state. */
  put (record: T, earlier: T | undefined): void {
    const key = this.#keyOf(record)
    if (earlier !== undefined && this.#keyOf(earlier) !== key) this.remove(earlier)
    const group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, new Map([[record.id, record]]))
    else group.set(record.id, record)
  }

  remove (record: T): void {
    const key = this.#keyOf(record)
    const group = this.#groups.get(key)
    group?.delete(record.id)
    if (group?.size === 0) this.#groups.delete(key)
  }

  /** Returns the records with this key. */
  get (key: string): T[] {
    return [...this.#groups.get(key)?.values() ?? []]
  }

  first (key: string): T | undefined {
    return this.#groups.get(key)?.values().next().value
  }

  keys (): Iterable<string> {
    return this.#groups.keys()
  }

  /** Returns the groups of more than one record. */
  shared (): T[][] {
    return [...this.#groups.values()].filter(({ size }) => size > 1).map(group => [...group.values()])
  }
}

/** Holds the records of one system bucket by id, and keeps its indexes. */
export class Table<T extends StoredRecord> {
  readonly #records = new Map<string, T>()
  readonly #indexes: ReadonlyArray<Index<T>>

  constructor (...indexes: ReadonlyArray<Index<T>>) {
    this.#indexes = indexes
  }

  get (id: string): T | undefined {
    return this.#records.get(id)
  }

  all (): T[] {
    return [...this.#records.values()]
  }

  set (record: T): void {
    const earlier = this.#records.get(record.id)
    this.#records.set(record.id, record)
    for (const index of this.#indexes) index.put(record, earlier)
  }

  delete (id: string): T | undefined {
    const record = this.#records.get(id)
    if (record === undefined) return undefined
    this.#records.delete(id)
    for (const index of this.#indexes) index.remove(record)
    return record
  }

  clear (): void {
    for (const { id } of this.all()) this.delete(id)
  }
}
