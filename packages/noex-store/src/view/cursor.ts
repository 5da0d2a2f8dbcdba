import { FilterError } from '../errors.js'
import type { Sortable } from '../query/sort-order.js'
import type { Position } from './entry.js'

/** A position as it is given to others, with what finds it again where places are other ones. */
export interface Cursor extends Position {
  /** Key of the record that was there, as keys are compared. */
  readonly key: unknown
  /** Names the numbering of places that `place` belongs to. */
  readonly numbering: string
}

/** Returns the opaque text of a cursor. */
export function textOfCursor ({ numbering, place, key, values }: Cursor): string {
  const parts = [numbering, String(place), textOf(key), ...values.map(textOf)]
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/**
 * Reads a cursor of an order by `length` fields.
 * @throws FilterError for a text that is none
 */
export function readCursor (text: unknown, length: number): Cursor {
  const [numbering, place, key, ...values] = partsOf(text)
  if (
    numbering === undefined || place === undefined || key === undefined || values.length !== length ||
    !/^\d{1,16}$/.test(place)
  ) throw malformed()
  return { numbering, place: Number(place), key: valueOf(key), values: values.map(sortableOf) }
}

function partsOf (text: unknown): string[] {
  if (typeof text !== 'string') throw malformed()
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    throw malformed()
  }
  if (!Array.isArray(parts) || !parts.every(part => typeof part === 'string')) throw malformed()
  return parts
}

/** Returns a text that begins with the type of the value. */
function textOf (value: unknown): string {
  switch (typeof value) {
    case 'string': return `s${value}`
    case 'number': return `n${value}`
    case 'bigint': return `i${value}`
    case 'boolean': return `b${value}`
    default: return 'u'
  }
}

function valueOf (text: string): unknown {
  const rest = text.slice(1)
  switch (text[0]) {
    case 's': return rest
    case 'n': return Number(rest)
    case 'i': {
      if (!/^-?\d{1,1000}$/.test(rest)) throw malformed()
      return BigInt(rest)
    }
    case 'b': return rest === 'true'
    case 'u': return undefined
    default: throw malformed()
  }
}

function sortableOf (text: string): Sortable | undefined {
  const value = valueOf(text)
  if (typeof value === 'boolean' || Number.isNaN(value)) throw malformed()
  return value as Sortable | undefined
}

function malformed (): FilterError {
  return new FilterError('page.after must be a nextCursor of a page of the same list')
}
