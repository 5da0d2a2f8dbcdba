import { InputTooLargeError, ValidationError, ValidatorError } from '../errors.js'
import { DATE_BYTES, MEMBER_BYTES, numberBytes } from './size.js'
import { isStoredDate, storedDate, timeOf } from './stored-date.js'

/** Levels of objects and arrays in the value of a record's member: the one bound of records. */
const MAX_DEPTH = 100

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads the members of a record that comes from outside: each once, copied and frozen where it is an object,
 * so that neither the caller nor a reader can change what is stored. Values that JSON would lose without a
 * word are refused: a log and a reply would hold another record.
 */
export class InputReader {
  readonly #bucket: string
  readonly #maxBytes: number
  /** Estimated bytes of what was read since `begin`. */
  bytes = 0

  /** A record of more than `maxBytes` estimated bytes of JSON is refused. */
  constructor (bucket: string, maxBytes: number) {
    this.#bucket = bucket
    this.#maxBytes = maxBytes
  }

  /**
   * Reads all members of a record that another store has written, of any size.
   * @throws ValidationError
   */
  static readRecord (bucket: string, record: Fields): Fields {
    const reader = new InputReader(bucket, Infinity)
    const copy: Record<string, unknown> = { ...record }
    // An own member named __proto__ is replaced like any other.
    for (const name of Object.keys(copy)) copy[name] = reader.read(name, copy[name])
    return Object.freeze(copy)
  }

  /**
   * Tells whether a record is one of a store: frozen, with all that is in it, and with dates that cannot be
   * changed.
   */
  static isStored (record: object): boolean {
    return isStored(record, MAX_DEPTH)
  }

  /** Begins a record. */
  begin (): void {
    this.bytes = 0
  }

  /**
   * Reads a member.
   * @throws ValidationError naming what JSON cannot hold, InputTooLargeError
   */
  read (name: string, value: unknown): unknown {
    this.bytes += name.length + MEMBER_BYTES
    const stored = this.#value(value, name, noneIsAround)
    if (this.bytes > this.#maxBytes) this.#refuseSize()
    return stored
  }

  /**
   * Reads a value that the definition has filled in, as `read` does.
   * @throws ValidatorError naming what JSON cannot hold, because no writer can do anything about it
   */
  readDefault (name: string, value: unknown): unknown {
    try {
      return this.read(name, value)
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error
      const message = error.issues[0]?.message ?? error.message
      throw new ValidatorError(this.#bucket, `default of field "${name}"`, `gave a wrong value. ${message}`)
    }
  }

  #value (value: unknown, path: string, around: readonly object[]): unknown {
    switch (typeof value) {
      case 'string':
        this.bytes += value.length + 2
        return value
      case 'number':
        if (!Number.isFinite(value)) this.#refuse(path, `the number ${value}, which JSON turns into null`)
        this.bytes += numberBytes(value)
        return value
      case 'boolean':
        this.bytes += 5
        return value
      case 'undefined':
        return value
      case 'object':
        return value === null ? this.#null() : this.#object(value, path, around)
      default:
        return this.#refuse(path, `a ${typeof value}`)
    }
  }

  #null (): null {
    this.bytes += 4
    return null
  }

  #object (value: object, path: string, around: readonly object[]): object {
    if (value instanceof Date) {
      const time = timeOf(value)
      if (Number.isNaN(time)) this.#refuse(path, 'an invalid date')
      this.bytes += DATE_BYTES
      return isStoredDate(value) ? value : storedDate(time)
    }
    if (around.includes(value)) this.#refuse(path, 'a circle')
    if (around.length >= MAX_DEPTH) this.#refuse(path, `more than ${MAX_DEPTH} levels`)
    const inside = [...around, value]
    this.bytes += 2
    return Array.isArray(value) ? this.#list(value, path, inside) : this.#members(value, path, inside)
  }

  #list (value: readonly unknown[], path: string, around: readonly object[]): readonly unknown[] {
    const { length } = value
    // Before anything of that length is made.
    if (this.bytes + length > this.#maxBytes) this.#refuseSize()
    const copy: unknown[] = []
    for (let i = 0; i < length; i++) {
      const item: unknown = value[i]
      if (item === undefined) this.#refuse(`${path}[${i}]`, 'undefined in a list, which JSON turns into null')
      this.bytes++
      copy.push(this.#value(item, isLong(path) ? path : `${path}[${i}]`, around))
      if (this.bytes > this.#maxBytes) this.#refuseSize()
    }
    return Object.freeze(copy)
  }

  #members (value: object, path: string, around: readonly object[]): object {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) {
      this.#refuse(path, `an instance of ${nameOf(prototype)}`)
    }
    const copy: Record<string, unknown> = { ...value }
    for (const name of Object.keys(copy)) {
      const member = copy[name]
      this.bytes += name.length + MEMBER_BYTES
      const stored = this.#value(member, isLong(path) ? path : `${path}.${name}`, around)
      // An own member named __proto__ is replaced like any other.
      if (stored !== member) copy[name] = stored
      if (this.bytes > this.#maxBytes) this.#refuseSize()
    }
    return Object.freeze(copy)
  }

  #refuse (field: string, found: string): never {
    const message = `A record holds what JSON can hold; got ${found}`
    throw new ValidationError(this.#bucket, [{ field, message, code: 'type' }])
  }

  #refuseSize (): never {
    throw new InputTooLargeError(this.#bucket, 'record', this.#maxBytes)
  }
}

const noneIsAround: readonly object[] = []

function isStored (value: object, levels: number): boolean {
  if (value instanceof Date) return isStoredDate(value)
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
  if (!isPlain || levels < 0 || !Object.isFrozen(value)) return false
  for (const name in value) {
    if (!isStoredValue((value as Fields)[name], levels)) return false
  }
  return true
}

function isStoredValue (value: unknown, levels: number): boolean {
  switch (typeof value) {
    case 'object': return value === null || isStored(value, levels - 1)
    case 'number': return Number.isFinite(value)
    default: return typeof value === 'string' || typeof value === 'boolean' || value === undefined
  }
}

/** Whether a path is long enough: it only names the place in a message. */
function isLong (path: string): boolean {
  return path.length > 200
}

function nameOf (prototype: unknown): string {
  const { constructor: made } = prototype as { readonly constructor?: unknown }
  const name: unknown = typeof made === 'function' ? made.name : undefined
  return typeof name === 'string' && name !== '' ? name : 'a class'
}
