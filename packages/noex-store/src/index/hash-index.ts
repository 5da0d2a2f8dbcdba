import type { Row } from '../bucket/row.js'

/**
 * The rows of a bucket by the value of one field, null and absent ones too. A value of one row holds the row
 * itself, a value of several a set.
 */
export class HashIndex {
  readonly #rows = new Map<unknown, Row | Set<Row>>()

  add (value: unknown, row: Row): void {
    const known = this.#rows.get(value)
    if (known === undefined) this.#rows.set(value, row)
    else if (known instanceof Set) known.add(row)
    else this.#rows.set(value, new Set([known, row]))
  }

  remove (value: unknown, row: Row): void {
    const known = this.#rows.get(value)
    if (known === row) {
      this.#rows.delete(value)
    } else if (known instanceof Set && known.delete(row) && known.size === 1) {
      this.#rows.set(value, known.values().next().value as Row)
    }
  }

  /** Number of rows with the value. */
  size (value: unknown): number {
    const known = this.#rows.get(value)
    if (known === undefined) return 0
    return known instanceof Set ? known.size : 1
  }

  /** Rows with the value, in no particular order. */
  rows (value: unknown): Iterable<Row> {
    const known = this.#rows.get(value)
    if (known === undefined) return none
    return known instanceof Set ? known : [known]
  }

  /** Any row with the value. */
  any (value: unknown): Row | undefined {
    const known = this.#rows.get(value)
    return known instanceof Set ? known.values().next().value : known
  }

  /** Distinct values. */
  get values (): IterableIterator<unknown> {
    return this.#rows.keys()
  }
}

const none: readonly Row[] = []
