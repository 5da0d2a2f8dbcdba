import { types } from 'node:util'
import { DeserializationError, SerializationError } from './errors.js'

/** The property that marks an object as the stand-in for a value that JSON does not have. */
const TAG = '$noex'

/** How the name of that property stands in JSON, where it has no escapes; `encode` and JSON write none. */
const MARK = `"${TAG}"`

/** How deep values may be nested. A cycle is found by it, too. */
const MAX_DEPTH = 1000

interface Tagged {
  readonly [TAG]: 'undefined' | 'bigint' | 'date' | 'map' | 'set' | 'object'
  readonly value?: unknown
}

/**
 * Replaces what JSON does not have by tagged objects, so that `restore` gives an equal value back.
 *
 * `undefined`, bigints, Dates, Maps and Sets are tagged. An object that has the tag's own name as a
 * property is wrapped, so it is never taken for a stand-in. `toJSON` is honoured. Functions and symbols
 * vanish, as in JSON. The value itself is not changed: parts without anything special are used as they
 * are, the others are copied. Throws `SerializationError` for a cycle or too deep a nesting.
 */
export function encode (value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'undefined': return { [TAG]: 'undefined' } satisfies Tagged
    case 'bigint': return { [TAG]: 'bigint', value: value.toString() } satisfies Tagged
    case 'function':
    case 'symbol': return undefined
    case 'object': return value === null ? null : encodeObject(value, depth)
    default: return value
  }
}

/**
 * Turns the tagged objects of a parsed JSON text back into what they stand for.
 * Works in place, so every property stays an own property, one named `__proto__` too.
 */
export function restore (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return restoreItems(value)
  return Object.hasOwn(value, TAG) ? untag(value as Tagged) : restoreProperties(value)
}

/** Parses the JSON text of something encoded, and restores it. */
export function parseEncoded (text: string): unknown {
  const parsed: unknown = JSON.parse(text)
  return text.includes(MARK) ? restore(parsed) : parsed
}

function encodeObject (value: object, depth: number): unknown {
  if (depth >= MAX_DEPTH) {
    throw new SerializationError(`The value is circular, or nested more than ${MAX_DEPTH} levels deep`)
  }
  const special = encodeSpecial(value, depth)
  if (special !== undefined) return special
  if (!hasToJson(value)) return encodeContainer(value, depth)

  const replacement = value.toJSON()
  if (typeof replacement !== 'object' || replacement === null) return encode(replacement, depth)
  // A copy, because JSON.stringify would ask the replacement for its own replacement.
  const copy = Array.isArray(replacement) ? [...replacement] : { ...replacement }
  return encodeSpecial(replacement, depth) ?? encodeContainer(copy, depth)
}

function encodeSpecial (value: object, depth: number): Tagged | undefined {
  if (Object.getPrototypeOf(value) === Object.prototype) return undefined
  if (types.isDate(value)) return { [TAG]: 'date', value: value.getTime() }
  if (types.isMap(value)) {
    const entries = Array.from(value, ([key, item]) => [encode(key, depth + 1), encode(item, depth + 1)])
    return { [TAG]: 'map', value: entries }
  }
  if (types.isSet(value)) return { [TAG]: 'set', value: Array.from(value, item => encode(item, depth + 1)) }
  return undefined
}

function encodeContainer (value: object, depth: number): unknown {
  return Array.isArray(value)
    ? encodeItems(value, depth)
    : encodeProperties(value as Record<string, unknown>, depth)
}

function encodeItems (items: readonly unknown[], depth: number): unknown {
  let copy: unknown[] | undefined
  for (let index = 0; index < items.length; index++) {
    const encoded = encode(items[index], depth + 1)
    if (encoded === items[index]) continue
    copy ??= [...items]
    copy[index] = encoded
  }
  return copy ?? items
}

function encodeProperties (object: Record<string, unknown>, depth: number): unknown {
  if (hasScalarsOnly(object)) return object
  let copy: Record<string, unknown> | undefined
  for (const key of Object.keys(object)) {
    const encoded = encode(object[key], depth + 1)
    if (encoded === object[key]) continue
    // The spread makes every key an own property, so this overwrites even one named __proto__.
    copy ??= { ...object }
    copy[key] = encoded
  }
  const encoded = copy ?? object
  return Object.hasOwn(object, TAG) ? { [TAG]: 'object', value: encoded } satisfies Tagged : encoded
}

/** Whether JSON has all members as they are; the usual record is known by it in a third of the time. */
function hasScalarsOnly (object: Record<string, unknown>): boolean {
  for (const key in object) {
    const type = typeof object[key]
    if ((type !== 'string' && type !== 'number' && type !== 'boolean') || key === TAG) return false
  }
  return true
}

function hasToJson (value: object): value is { toJSON: () => unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

function restoreItems (items: unknown[]): unknown[] {
  for (let index = 0; index < items.length; index++) items[index] = restore(items[index])
  return items
}

function restoreProperties (value: object): object {
  const object = value as Record<string, unknown>
  for (const key of Object.keys(object)) object[key] = restore(object[key])
  return object
}

function untag ({ [TAG]: tag, value }: Tagged): unknown {
  switch (tag) {
    case 'undefined': return undefined
    case 'bigint': return BigInt(value as string)
    // The time of an invalid Date is NaN, which JSON writes as null.
    case 'date': return new Date(value === null ? NaN : value as number)
    case 'map': return new Map(restoreItems(value as unknown[]) as Array<[unknown, unknown]>)
    case 'set': return new Set(restoreItems(value as unknown[]))
    case 'object': return restoreProperties(value as object)
    default: throw new DeserializationError(`The text has an unknown tag: ${String(tag)}`)
  }
}
