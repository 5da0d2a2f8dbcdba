import { hash } from 'node:crypto'
import { getterOf, type Getter } from '../schema/path.js'
import type { Normalize } from '../schema/bucket-schema.js'
import type { StoreRecord } from '../types/record.js'

/** Characters of a text that tells groups apart by itself; of a longer one its digest does. */
const MAX_PLAIN = 128

/** The fields by which records are grouped: those are of one group whose fields have the same text forms. */
export class GroupKeys {
  readonly #fields: ReadonlyArray<{
    readonly name: string, readonly get: Getter, readonly normalize: Normalize | undefined
  }>

  readonly #onLongText: (chars: number) => void

  /** `onLongText` is told the characters of each text that is long enough to count as work. */
  constructor (
    field: string | readonly string[], normalizeOf: (field: string) => Normalize | undefined,
    onLongText: (chars: number) => void = () => {}
  ) {
    const names = typeof field === 'string' ? [field] : field
    this.#fields = names.map(name => ({ name, get: getterOf(name), normalize: normalizeOf(name) }))
    this.#onLongText = onLongText
  }

  /** Number of the fields. */
  get size (): number {
    return this.#fields.length
  }

  /** Returns the text that tells the record's group from all others. */
  idOf (record: StoreRecord): string {
    let id = ''
    for (const { get, normalize } of this.#fields) {
      const value = get(record)
      const text = textOf((normalize === undefined ? value : normalize(value)) ?? 'null')
      if (text.length > MAX_PLAIN) {
        this.#onLongText(text.length)
        id += `${hash('sha256', text)};`
      } else {
        // With its length, so that no text of one field reads like those of two.
        id += `${text.length}:${text}`
      }
    }
    return id
  }

  /** Returns the key that a group shows whose first record this is. */
  keyOf (record: StoreRecord): Record<string, unknown> {
    return Object.fromEntries(this.#fields.map(({ name, get }) => [name, get(record)]))
  }
}

/** Returns the text form of a value, of an object that has none as of other objects. */
function textOf (value: unknown): string {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
