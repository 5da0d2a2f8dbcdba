import type { TouchedRow } from '@hamicek/noex-store'
import { EncodedJson, encodeJson, encodeQueryResult, isRecord } from '../protocol/encode.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import type { KeyedRows } from './live-source.js'

/** Rows between two looks at the clock. */
const STEP = 64

/** A list of records with keys, as a query in code has returned it. */
export class KeyedList implements KeyedRows {
  /** Records of the store, which never change; of other objects the JSON: the query may change them. */
  readonly rows: readonly object[]
  readonly keyField: string
  /** Estimated bytes of the JSON. */
  readonly bytes: number
  readonly #indexes: ReadonlyMap<unknown, number>

  private constructor (
    { rows, bytes }: KeptRows, keyField: string, indexes: ReadonlyMap<unknown, number>
  ) {
    this.rows = rows
    this.bytes = bytes
    this.keyField = keyField
    this.#indexes = indexes
  }

  /**
   * Takes a result as a list of records with keys, by the first of the fields that holds a text or a number
   * of its own in each of them. Returns `undefined` where there is no such field. Works in slices; quickly
   * where `former`, the list before, has the same keys.
   * @throws TypeError for a row that JSON cannot hold
   */
  static async of (
    result: unknown, fields: Iterable<string>, former?: KeyedList
  ): Promise<KeyedList | undefined> {
    if (!Array.isArray(result)) return undefined
    for (const field of fields) {
      const isSame = former?.keyField === field && await hasKeys(result, field, former.#indexes)
      const indexes = isSame ? former.#indexes : await indexesBy(result, field)
      if (indexes === undefined) continue
      return new KeyedList(await kept(result as object[], isSame ? former.rows : []), field, indexes)
    }
    return undefined
  }

  get size (): number {
    return this.rows.length
  }

  indexOf (key: unknown): number {
    return this.#indexes.get(key) ?? -1
  }

  row (key: unknown): object | undefined {
    const index = this.#indexes.get(key)
    return index === undefined ? undefined : this.rows[index]
  }

  /**
   * Returns the rows in which this list differs from an earlier one; `undefined` where their keys are in
   * different fields. Rows are compared as records, then by their JSON. Works in slices.
   */
  async touchesSince (former: KeyedList): Promise<TouchedRow[] | undefined> {
    if (former.keyField !== this.keyField) return undefined
    const touches: TouchedRow[] = []
    if (former.#indexes === this.#indexes) {
      for (const [key, index] of this.#indexes) {
        const isChanged = isOther(former.rows[index] as object, this.rows[index] as object)
        if (isChanged) touches.push({ key, wasIn: true, moved: false })
        if (index % STEP === 0 && isTurnOver()) await nextTurn()
      }
      return touches
    }
    const known: Known[] = []
    let index = 0
    for (const [key] of this.#indexes) {
      const row = this.rows[index++] as object
      const before = former.indexOf(key)
      if (before === -1) touches.push({ key, wasIn: false, moved: true })
      else known.push({ key, before, isChanged: isOther(former.rows[before] as object, row) })
      if (index % STEP === 0 && isTurnOver()) await nextTurn()
    }
    const moved = movedOf(known)
    for (const one of known) {
      const hasMoved = moved.has(one)
      if (one.isChanged || hasMoved) touches.push({ key: one.key, wasIn: true, moved: hasMoved })
    }
    for (const [key] of former.#indexes) {
      if (!this.#indexes.has(key)) touches.push({ key, wasIn: true, moved: false })
    }
    return touches
  }
}

/** A row that is in both lists, with its index in the former one. */
interface Known {
  readonly key: unknown
  readonly before: number
  readonly isChanged: boolean
}

async function indexesBy (
  rows: readonly unknown[], field: string
): Promise<ReadonlyMap<unknown, number> | undefined> {
  const indexes = new Map<unknown, number>()
  for (const [index, row] of rows.entries()) {
    const key = keyOf(row, field)
    if (key === undefined || indexes.has(key)) return undefined
    indexes.set(key, index)
    if (index % STEP === 0 && isTurnOver()) await nextTurn()
  }
  return indexes
}

/** Rows as a list keeps them. */
interface KeptRows {
  readonly rows: readonly object[]
  readonly bytes: number
}

/** Keeps rows; `former` has those that were at the same indexes before, if any. */
async function kept (rows: readonly object[], former: readonly object[]): Promise<KeptRows> {
  const keptRows: object[] = []
  let bytes = 0
  for (const [index, row] of rows.entries()) {
    if (row === former[index] || isRecord(row)) {
      keptRows.push(row)
    } else {
      const text = encodeJson(row)
      bytes += bytesOf(text)
      keptRows.push(new EncodedJson(text))
    }
    if (index % STEP === 0 && isTurnOver()) await nextTurn()
  }
  return { rows: keptRows, bytes }
}

/** Returns the bytes that a text takes: one for each character where all are of ASCII. */
function bytesOf (text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length
}

/** Whether rows have these keys, in the same order. */
async function hasKeys (
  rows: readonly unknown[], field: string, indexes: ReadonlyMap<unknown, number>
): Promise<boolean> {
  if (rows.length !== indexes.size) return false
  for (const [key, index] of indexes) {
    if (keyOf(rows[index], field) !== key) return false
    if (index % STEP === 0 && isTurnOver()) await nextTurn()
  }
  return true
}

/** Returns the key of a row; `undefined` where it has none. */
function keyOf (row: unknown, field: string): string | number | undefined {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return undefined
  const key: unknown = Object.hasOwn(row, field) ? (row as Record<string, unknown>)[field] : undefined
  return typeof key === 'string' || Number.isFinite(key) ? key as string | number : undefined
}

function isOther (before: object, after: object): boolean {
  return before !== after && encodeQueryResult(before) !== encodeQueryResult(after)
}

/**
 * Returns the rows that have to be moved so that the others, in their former order, are in the new one: as
 * few as can be.
 */
function movedOf (rows: readonly Known[]): ReadonlySet<Known> {
  const isInOrder = rows.every((row, i) => i === 0 || (rows[i - 1] as Known).before < row.before)
  if (isInOrder) return new Set()
  // A longest increasing run stays; `ends[n]` is the row with the least place that ends one of n + 1 rows.
  const ends: Known[] = []
  const previous = new Map<Known, Known | undefined>()
  for (const row of rows) {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ends[middle] as Known).before < row.before) low = middle + 1
      else high = middle
    }
    previous.set(row, ends[low - 1])
    ends[low] = row
  }
  const moved = new Set(rows)
  for (let row = ends.at(-1); row !== undefined; row = previous.get(row)) moved.delete(row)
  return moved
}
