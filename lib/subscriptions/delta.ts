import { encodeJson, encodeQueryResult } from '../protocol/encode.js'
import type { NetChanges } from './change-history.js'
import type { KeyedRows } from './live-source.js'

/** The delta of a result that has not changed. */
export const EMPTY_DELTA = '{"upsert":[],"remove":[]}'

/** A row of the new list that the client does not have, or not so. */
interface Upsert {
  readonly key: unknown
  readonly index: number
  /** Whether the client has a row of this key. */
  readonly isKnown: boolean
  /** Whether the client cannot know its place. */
  readonly isPlaced: boolean
}

/**
 * Returns the JSON of what makes the list of a client the present one: `{ upsert, remove, at? }` of
 * PROTOCOL.md, "Deltas".
 */
export function deltaOf (rows: KeyedRows, touches: NetChanges): string {
  const removed: unknown[] = []
  const upserts: Upsert[] = []
  for (const [key, { wasIn, hasMoved }] of touches) {
    const index = rows.indexOf(key)
    if (index !== -1) upserts.push({ key, index, isKnown: wasIn, isPlaced: !wasIn || hasMoved })
    else if (wasIn) removed.push(key)
  }
  upserts.sort((a, b) => a.index - b.index)
  const placed = upserts.filter(({ isPlaced }) => isPlaced)
  const movesOne = placed.length === 1 && placed[0]?.isKnown === true
  const at = movesOne ? placed : withoutTail(placed, rows.size)
  // Rows that are moved one by one would be in each other's way, also for a client that has them already.
  const isAmbiguous = at.length > 1 || (!movesOne && placed.some(({ isKnown }) => isKnown))
  if (isAmbiguous) for (const { key } of placed) removed.push(key)
  const upsert = encodeQueryResult(upserts.map(({ key }) => rows.row(key)))
  const places = at.length === 0 ? '' : `,"at":${encodeJson(at.map(({ key, index }) => [key, index]))}`
  return `{"upsert":${upsert},"remove":${encodeJson(removed)}${places}}`
}

/** Leaves out the rows at the end of the list: that is where a client puts a row that it does not know. */
function withoutTail (placed: readonly Upsert[], size: number): readonly Upsert[] {
  let count = placed.length
  for (let end = size - 1; count > 0 && placed[count - 1]?.index === end; end--) count--
  return placed.slice(0, count)
}
