import { NoexClientError } from './errors.js'

/** A row of a list. */
export type Row = Readonly<Record<string, any>>

/**
 * Returns the list that a delta makes of another one: PROTOCOL.md, "Deltas".
 * @throws Error where the delta is malformed, or does not fit the list
 */
export function applyDelta (rows: readonly Row[], key: string, { remove, upsert, at = [] }: any): Row[] {
  const byKey = new Map(rows.map(row => [row[key], row]))
  assertFits([remove, at].every(Array.isArray) && isKeyed(upsert, key))
  for (const own of remove) byKey.delete(own)
  for (const row of upsert) byKey.set(row[key], row)
  const moved: Row[] = at.map(([own]: [unknown]) => {
    const row = byKey.get(own)
    assertFits(byKey.delete(own))
    return row
  })
  const others = [...byKey.values()]
  const list: Row[] = []
  let next = 0
  // Indexes ascend, so each is that of the finished list.
  moved.forEach((row, i) => {
    const index = at[i][1]
    while (list.length < index && next < others.length) list.push(others[next++] as Row)
    assertFits(list.length === index)
    list.push(row)
  })
  return list.concat(others.slice(next))
}

/** Whether a result is a list whose rows can be told apart by a field. */
export function isKeyed (data: unknown, key: unknown): key is string {
  return typeof key === 'string' && Array.isArray(data) &&
    data.every(row => /string|number|boolean/.test(typeof row?.[key])) &&
    new Set(data.map(row => row[key])).size === data.length
}

/** @throws NoexClientError where a message does not fit what has come before */
export function assertFits (fits: unknown): asserts fits {
  if (!fits) throw new NoexClientError('PROTOCOL_ERROR', 'The message of the server does not fit')
}

/** Returns a result with those rows of a former one that are equal; the former one where all are. */
export function reuse (former: unknown, data: unknown): unknown {
  if (!Array.isArray(former) || !Array.isArray(data)) {
    return JSON.stringify(former) === JSON.stringify(data) ? former : data
  }
  const gone = new Set(former)
  const fresh = new Set(data.filter(row => !gone.delete(row)))
  // `_version` does not tell: rows may have more than the record.
  const byText = new Map([...gone].map(row => [JSON.stringify(row), row]))
  const list = data.map(row => fresh.has(row) ? byText.get(JSON.stringify(row)) ?? row : row)
  return list.length === former.length && list.every((row, i) => row === former[i]) ? former : list
}
