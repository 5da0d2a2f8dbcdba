/** A row of a list. */
export type Row = Readonly<Record<string, any>>

/**
 * Returns the list that a delta makes of another one: PROTOCOL.md, "Deltas". Rows that have not changed are
 * the same objects, and so is the list where nothing has.
 * @throws Error where the delta is malformed, or does not fit the list
 */
export function applyDelta (rows: readonly Row[], key: string, delta: any): readonly Row[] {
  const { remove, upsert, at = [] } = delta
  if (![remove, upsert, at].every(Array.isArray)) throw misfit()
  const byKey = new Map(rows.map(row => [row[key], row]))
  const removed = new Map<unknown, Row>()
  for (const own of remove) {
    const row = byKey.get(own)
    if (row !== undefined) removed.set(own, row)
    byKey.delete(own)
  }
  for (const row of upsert) {
    const own = row[key]
    if (!isKey(own)) throw misfit()
    const former = byKey.get(own) ?? removed.get(own)
    byKey.set(own, isEqual(former, row) ? former : row)
  }
  return sameOr(rows, at.length === 0 ? [...byKey.values()] : moved(byKey, at))
}

/** Takes out the rows of `at`, and puts them in. Indexes ascend, so each is that of the finished list. */
function moved (byKey: Map<unknown, Row>, at: ReadonlyArray<readonly [unknown, number]>): Row[] {
  const taken = at.map(([own]) => {
    const row = byKey.get(own)
    if (!byKey.delete(own)) throw misfit()
    return row as Row
  })
  const others = [...byKey.values()]
  const list: Row[] = []
  let next = 0
  at.forEach(([, index], i) => {
    const last = list.length + others.length - next
    if (!Number.isInteger(index) || index < list.length || index > last) throw misfit()
    while (list.length < index) list.push(others[next++] as Row)
    list.push(taken[i] as Row)
  })
  return list.concat(others.slice(next))
}

/** Whether a result is a list whose rows can be told apart by a field. */
export function isKeyed (data: unknown, key: unknown): key is string {
  return typeof key === 'string' && Array.isArray(data) && data.every(row => isKey(row?.[key])) &&
    new Set(data.map(row => row[key])).size === data.length
}

/** Returns a result with those rows of a former one that are equal; the former one where all are. */
export function reuse (former: unknown, data: unknown): unknown {
  if (!Array.isArray(former) || !Array.isArray(data)) return isEqual(former, data) ? former : data
  const shown = new Set(data)
  const others = new Map(former.filter(row => !shown.has(row)).map(row => [JSON.stringify(row), row]))
  if (others.size === 0) return sameOr(former, data)
  const known = new Set(former)
  return sameOr(former, data.map(row => {
    const text = known.has(row) ? undefined : JSON.stringify(row)
    return text !== undefined && others.has(text) ? others.get(text) : row
  }))
}

function sameOr<T> (former: readonly T[], list: readonly T[]): readonly T[] {
  return list.length === former.length && list.every((row, i) => row === former[i]) ? former : list
}

function isKey (value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

/** Whether two values are the same JSON. `_version` does not tell: rows may have more than the record. */
function isEqual (a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

function misfit (): Error {
  return new Error('the delta does not fit')
}
