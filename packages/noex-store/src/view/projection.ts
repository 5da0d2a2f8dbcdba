import type { StoreRecord } from '../types/record.js'

/** Estimated bytes of a projected row, and of one of its members. */
const ROW_BYTES = 72
const MEMBER_BYTES = 16

/** Makes rows of the members of records that are wanted: the same object as long as none of them changes. */
export class Projection {
  readonly #fields: readonly string[]
  readonly #rows = new WeakMap<StoreRecord, object>()
  /** Estimated bytes of one row. */
  readonly rowBytes: number

  constructor (fields: readonly string[]) {
    this.#fields = fields
    this.rowBytes = ROW_BYTES + fields.length * MEMBER_BYTES
  }

  has (field: string): boolean {
    return this.#fields.includes(field)
  }

  row (record: StoreRecord): object {
    const known = this.#rows.get(record)
    if (known !== undefined) return known
    const kept = this.#fields.filter(field => Object.hasOwn(record, field))
    const row = Object.freeze(Object.fromEntries(kept.map(field => [field, record[field]])))
    this.#rows.set(record, row)
    return row
  }

  /** Whether a change of a record leaves its row as it is; then it goes on being the same object. */
  isSame (before: StoreRecord, after: StoreRecord): boolean {
    for (const field of this.#fields) {
      const isThere = Object.hasOwn(before, field)
      if (isThere !== Object.hasOwn(after, field) || (isThere && before[field] !== after[field])) return false
    }
    const row = this.#rows.get(before)
    if (row !== undefined) this.#rows.set(after, row)
    return true
  }
}
