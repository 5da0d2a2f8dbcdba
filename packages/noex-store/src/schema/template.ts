import type { StoreRecord } from '../types/record.js'
import type { InputReader } from './input-reader.js'
import { isPlain } from '../util/value-kinds.js'

/** Shapes remembered by a bucket; inputs of further shapes are built more slowly. */
const MAX_SHAPES = 32
/** Members, and characters of their names, of a shape that is remembered. */
const MAX_MEMBERS = 250
const MAX_CHARS = 16_384

type Fields = Readonly<Record<string, unknown>>

/** Makes the value of a field that an insert leaves out; it is read like one of the input. */
export type Filler = () => unknown

/** A list of an input's members, and an empty record with all members that the record will have. */
interface Shape {
  readonly names: readonly string[]
  /** Members to be filled in, in their order. */
  readonly missing: ReadonlyArray<readonly [name: string, filler: Filler]>
  readonly isExpiryMissing: boolean
  readonly empty: Fields
}

/** Members that the store writes into a new record. */
interface NewMeta {
  readonly version: number
  /** Epoch milliseconds. */
  readonly time: number
}

/**
 * Builds the new records of one bucket. Those of one list of members are copies of one empty record, which
 * makes them small and fast.
 */
export class RecordTemplate {
  readonly #fillers: ReadonlyMap<string, Filler>
  readonly #ttlMs: number | undefined
  readonly #reader: InputReader
  readonly #onShape: (names: readonly string[]) => void
  readonly #shapes: Shape[] = []
  #last: Shape | undefined

  /**
   * `fillers` are in the order in which they run; `ttlMs` is the lifetime of a record in milliseconds;
   * `onShape` hears of every new list of members.
   */
  constructor (
    fillers: ReadonlyMap<string, Filler>, ttlMs: number | undefined, reader: InputReader,
    onShape: (names: readonly string[]) => void
  ) {
    this.#onShape = onShape
    this.#fillers = fillers
    this.#ttlMs = ttlMs
    this.#reader = reader
  }

  /** Returns the frozen record that the input of an insert becomes. Runs the defaults of the schema. */
  build (input: Fields, { version, time }: NewMeta): StoreRecord {
    const plain: Fields = isPlain(input) ? input : { ...(input as Fields) }
    const shape = this.#last !== undefined && this.#fits(this.#last, plain)
      ? this.#last
      : this.#shapeOf(plain)
    const record: Record<string, unknown> = { ...shape.empty }
    const reader = this.#reader
    reader.begin()
    for (const name of shape.names) {
      const value = plain[name]
      record[name] = value === undefined
        ? reader.readDefault(name, this.#fillers.get(name)?.())
        : reader.read(name, value)
    }
    for (const [name, filler] of shape.missing) record[name] = reader.readDefault(name, filler())
    record['_version'] = version
    record['_createdAt'] = time
    record['_updatedAt'] = time
    if (this.#ttlMs !== undefined && (shape.isExpiryMissing || record['_expiresAt'] === undefined)) {
      record['_expiresAt'] = time + this.#ttlMs
    }
    return Object.freeze(record) as StoreRecord
  }

  /** Tells whether the input has exactly the members of the shape, in their order. */
  #fits ({ names }: Shape, input: Fields): boolean {
    let i = 0
    for (const name in input) {
      if (names[i++] !== name) return false
    }
    return i === names.length
  }

  #shapeOf (input: Fields): Shape {
    const names = Object.keys(input)
    const known = this.#shapes.find(
      shape => shape.names.length === names.length && shape.names.every((name, i) => name === names[i])
    )
    if (known !== undefined) return (this.#last = known)
    const given = new Set(names)
    const missing = [...this.#fillers].filter(([name]) => !given.has(name))
    const isExpiryMissing = this.#ttlMs !== undefined && !given.has('_expiresAt')
    const all = [
      ...new Set([...names, ...missing.map(([name]) => name), '_version', '_createdAt', '_updatedAt'])
    ]
    if (isExpiryMissing) all.push('_expiresAt')
    // Parsed, because such an object has all its members inside.
    const empty = JSON.parse(`{${all.map(name => `${JSON.stringify(name)}:null`).join()}}`) as Fields
    const shape: Shape = { names, missing, isExpiryMissing, empty }
    this.#onShape(all)
    if (!isSmall(all)) return shape
    if (this.#shapes.length < MAX_SHAPES) this.#shapes.push(shape)
    return (this.#last = shape)
  }
}

function isSmall (names: readonly string[]): boolean {
  return names.length <= MAX_MEMBERS && names.reduce((sum, name) => sum + name.length, 0) <= MAX_CHARS
}
