import { createHash } from 'node:crypto'
import { FilterError } from '../errors.js'
import type { Sortable } from '../query/sort-order.js'
import type { ViewConfig } from '../types/view.js'
import type { Position } from './entry.js'

/** A position as it is given to others, with what finds it again where places are other ones. */
export interface Cursor extends Position {
  /** Key of the record that was there, as keys are compared. */
  readonly key: unknown
  /** Names the numbering of places that `place` belongs to. */
  readonly numbering: string
}

/** The records that a cursor is a position among, and their order. */
export type CursorList = Pick<ViewConfig, 'bucket' | 'sort'>

/** Returns the opaque text of a cursor of a list. */
export function textOfCursor ({ numbering, place, key, values }: Cursor, list: CursorList): string {
  const parts = [digestOf(list), numbering, String(place), textOf(key), ...values.map(textOf)]
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/**
 * Reads a cursor of a list of the same bucket and order.
 * @throws FilterError for a text that is none
 */
export function readCursor (text: unknown, list: CursorList): Cursor {
  const [digest, numbering, place, key, ...values] = partsOf(text)
  if (
    digest !== digestOf(list) || numbering === undefined || place === undefined || key === undefined ||
    values.length !== fieldsOf(list).length || !/^\d{1,16}$/.test(place)
  ) throw malformed()
  return { numbering, place: Number(place), key: valueOf(key), values: values.map(sortableOf) }
}

function fieldsOf ({ sort = {} }: CursorList): Array<[field: string, direction: string]> {
  return Object.entries(sort)
}

/** Returns a text by which the positions of one order are told from those of another. */
function digestOf (list: CursorList): string {
  const order = JSON.stringify([list.bucket, ...fieldsOf(list)])
  return createHash('sha256').update(order).digest('base64url').slice(0, 12)
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
