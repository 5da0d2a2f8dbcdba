/** A row of a list, as JSON has it. */
export type Row = Readonly<Record<string, unknown>>

/** The changes of a list. PROTOCOL.md, "Deltas". */
interface Delta {
  readonly upsert: readonly Row[]
  readonly remove: readonly unknown[]
  readonly at?: ReadonlyArray<readonly [key: unknown, index: number]>
}

/** A message that the protocol does not allow. */
class WireViolation extends Error {
  override readonly name = 'WireViolation'
}

/** Throws a violation unless `holds`. */
export function requireOnWire (holds: boolean, problem: string, shown?: unknown): asserts holds {
  if (holds) return
  const detail = shown === undefined ? '' : `: ${JSON.stringify(shown).slice(0, 2_000)}`
  throw new WireViolation(problem + detail)
}

/**
 * Applies a delta in each way in which a client may, and once more. Returns the list that all of them give.
 * @throws WireViolation for a malformed delta, and where two ways differ
 */
export function applyDelta (rows: readonly Row[], key: string, given: unknown): readonly Row[] {
  const delta = checkedDelta(key, given)
  const applied = applyOneByOne(rows, key, delta)
  const others = [applyTakingOutFirst(rows, key, delta), applyOneByOne(applied, key, delta)]
  for (const other of others) {
    const isSame = other.length === applied.length && other.every((row, i) => row === applied[i])
    requireOnWire(isSame, 'the ways to apply a delta, or to apply it twice, differ', delta)
  }
  return applied
}

/** Returns the keys of a list, each of which a row must have once. */
export function keysOf (rows: unknown, key: string): Set<unknown> {
  requireOnWire(Array.isArray(rows), 'a keyed result is a list', rows)
  const keys = new Set<unknown>()
  for (const row of rows as readonly unknown[]) {
    const own = keyOf(row, key)
    requireOnWire(!keys.has(own), `two rows have the key ${JSON.stringify(own)}`, rows)
    keys.add(own)
  }
  return keys
}

function keyOf (row: unknown, key: string): unknown {
  requireOnWire(typeof row === 'object' && row !== null && !Array.isArray(row), 'a row is an object', row)
  requireOnWire(Object.hasOwn(row, key), `a row has no member "${key}"`, row)
  const own = (row as Row)[key]
  const isKey = ['string', 'number', 'boolean'].includes(typeof own)
  requireOnWire(isKey, 'a key is a text, number or boolean', row)
  return own
}

function checkedDelta (key: string, given: unknown): Delta {
  requireOnWire(typeof given === 'object' && given !== null, 'a delta is an object', given)
  const { upsert, remove, at = [], ...others } = given as Record<string, unknown>
  requireOnWire(Object.keys(others).length === 0, 'a delta has unknown members', given)
  requireOnWire(Array.isArray(remove), 'remove is a list', given)
  requireOnWire(new Set(remove).size === remove.length, 'remove has a key twice', given)
  requireOnWire(Array.isArray(at), 'at is a list', given)
  keysOf(upsert, key)
  const moved = new Set<unknown>()
  let last = -1
  for (const entry of at as readonly unknown[]) {
    requireOnWire(Array.isArray(entry) && entry.length === 2, 'at has pairs of key and index', given)
    const [movedKey, index] = entry as [unknown, unknown]
    requireOnWire(Number.isSafeInteger(index) && (index as number) > last, 'indexes of at ascend', given)
    requireOnWire(!moved.has(movedKey), 'at has a key twice', given)
    moved.add(movedKey)
    last = index as number
  }
  return given as Delta
}

/** Removes and upserts: a Map keeps the place of what it has, and adds what it has not at its end. */
function changed (rows: readonly Row[], key: string, { upsert, remove }: Delta): Map<unknown, Row> {
  const byKey = new Map(rows.map(row => [row[key], row]))
  for (const removed of remove) byKey.delete(removed)
  for (const row of upsert) byKey.set(row[key], row)
  return byKey
}

function applyOneByOne (rows: readonly Row[], key: string, delta: Delta): Row[] {
  const byKey = changed(rows, key, delta)
  const { at = [] } = delta
  if (at.length === 0) return [...byKey.values()]
  const order = [...byKey.keys()]
  for (const [moved, index] of at) {
    const from = order.indexOf(moved)
    requireOnWire(from !== -1, `at names the unknown key ${JSON.stringify(moved)}`, delta)
    order.splice(from, 1)
    requireOnWire(index <= order.length, `the index ${index} of at is beyond the list`, delta)
    order.splice(index, 0, moved)
  }
  return order.map(own => byKey.get(own) as Row)
}

function applyTakingOutFirst (rows: readonly Row[], key: string, delta: Delta): Row[] {
  const byKey = changed(rows, key, delta)
  const { at = [] } = delta
  const moved = new Map(at.map(([own]) => [own, byKey.get(own) as Row]))
  const list = [...byKey].filter(([own]) => !moved.has(own)).map(([, row]) => row)
  for (const [own, index] of at) {
    requireOnWire(index <= list.length, `the index ${index} of at is beyond the list`, delta)
    list.splice(index, 0, moved.get(own) as Row)
  }
  return list
}
