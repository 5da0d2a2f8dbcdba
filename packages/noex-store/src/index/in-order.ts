import type { Row } from '../rows/row.js'

/** Rows above which sorting numbers pays. */
const MIN_PACKED = 32
/** Indexes of a list that fit into a packed number beside the place. */
const MAX_PACKED = 2 ** 15
/** Places that fit beside the index: the sum has 53 bits. */
const MAX_PLACE = 2 ** 38

/** Sorts rows in place by the order of their insertion, and returns them. */
export function inOrder (rows: Row[]): Row[] {
  const count = rows.length
  let isSorted = true
  for (let i = 1; i < count && isSorted; i++) isSorted = (rows[i - 1] as Row).place <= (rows[i] as Row).place
  if (isSorted) return rows
  if (count < MIN_PACKED || count > MAX_PACKED) return rows.sort(byPlace)
  // Each place with the index of its row in one number: numbers are sorted without a call for each
  // comparison.
  const packed = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const { place } = rows[i] as Row
    if (place >= MAX_PLACE) return rows.sort(byPlace)
    packed[i] = place * MAX_PACKED + i
  }
  packed.sort()
  const from = rows.slice()
  for (let i = 0; i < count; i++) rows[i] = from[(packed[i] as number) & (MAX_PACKED - 1)] as Row
  return rows
}

function byPlace (a: Row, b: Row): number {
  return a.place - b.place
}
