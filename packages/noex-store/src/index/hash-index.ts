import { KeyMap } from '../rows/key-map.js'
import type { Row } from '../rows/row.js'

/** Rows of one value up to which they are a list, which is smaller than a set. */
const MAX_LISTED = 32

/**
 * The rows of a bucket by the value of one field, null and absent ones too. A value of one row holds the row
 * itself, a value of several a list, of many a set.
 */
export class HashIndex {
  readonly #rows = new KeyMap<Row | Row[] | Set<Row>>()

  add (value: unknown, row: Row): void {
    const known = this.#rows.get(value)
    if (known === undefined) {
      this.#rows.set(value, row)
    } else if (known instanceof Set) {
      known.add(row)
    } else if (!Array.isArray(known)) {
      this.#rows.set(value, [known, row])
    } else if (known.length < MAX_LISTED) {
      known.push(row)
    } else {
      this.#rows.set(value, new Set(known).add(row))
    }
  }

  remove (value: unknown, row: Row): void {
    const known = this.#rows.get(value)
    if (known === row) {
      this.#rows.delete(value)
    } else if (known instanceof Set) {
      if (known.delete(row) && known.size === 1) this.#rows.set(value, known.values().next().value as Row)
    } else if (Array.isArray(known)) {
      const at = known.indexOf(row)
      if (at === -1) return
      known.splice(at, 1)
      if (known.length === 1) this.#rows.set(value, known[0] as Row)
    }
  }

  /** Number of rows with the value. */
  size (value: unknown): number {
    const known = this.#rows.get(value)
    if (known === undefined) return 0
    if (known instanceof Set) return known.size
    return Array.isArray(known) ? known.length : 1
  }

  /** Rows with the value, in no particular order. Must not be used across changes. */
  rows (value: unknown): Iterable<Row> {
    const known = this.#rows.get(value)
    if (known === undefined) return none
    return known instanceof Set || Array.isArray(known) ? known : [known]
  }

  /** Any row with the value. */
  any (value: unknown): Row | undefined {
    const known = this.#rows.get(value)
    if (known instanceof Set) return known.values().next().value
    return Array.isArray(known) ? known[0] : known
  }

  /** Distinct values. */
  get values (): Iterable<unknown> {
    return this.#rows.keys()
  }
}

const none: readonly Row[] = []
