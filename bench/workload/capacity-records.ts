import { inputOf, keyOf, type UserInput } from './records.js'

/** The bucket whose records are counted, and one that many watch, with the query for all of it. */
export const ITEMS = 'items'
export const BOARD = 'board'

/** Records of one owner: the rows of a live query of its own. */
export const ROWS_OF_OWNER = 10

/** Rows of the list that many watch. */
export const ROWS_OF_BOARD = 20

/** The fields that an index can be on. */
export const INDEXES = ['owner', 'score'] as const

/** A record of the capacity benchmark, without the metadata of the server. */
type Item = UserInput & { readonly id: string, readonly owner: string }

/** Returns the owner of the record at `index`. */
export function ownerOf (index: number): string {
  return `owner-${String(Math.floor(index / ROWS_OF_OWNER)).padStart(6, '0')}`
}

/** Returns the record at `index`. */
export function itemOf (index: number): Item {
  return { id: keyOf(index), owner: ownerOf(index), ...inputOf(index) }
}

/** Characters of a record as clients get it. */
export function jsonLength (): number {
  const now = Date.now()
  return JSON.stringify({ ...itemOf(10_000), _version: 1, _createdAt: now, _updatedAt: now }).length
}
