/** So many values are compared at most; two that are larger count as different. */
const MAX_COMPARED = 10_000

/**
 * Tells whether two values are alike: the same primitive, or arrays or plain objects with members that
 * are alike. Any other two objects are alike only when they are one. Takes bounded time: what is not
 * found to be alike within 10 000 comparisons counts as different.
 */
export function deepEqual (first: unknown, second: unknown): boolean {
  const pairs: unknown[] = [first, second]
  for (let compared = 0; pairs.length > 0; compared++) {
    if (compared === MAX_COMPARED) return false
    const b = pairs.pop()
    const a = pairs.pop()
    if (Object.is(a, b)) continue
    if (!pushMembers(a, b, pairs)) return false
  }
  return true
}

/** Adds the pairs of members that must be alike. False when there is no need. */
function pushMembers (a: unknown, b: unknown, pairs: unknown[]): boolean {
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length || a.length > MAX_COMPARED) return false
    for (let index = 0; index < a.length; index++) pairs.push(a[index], b[index])
    return true
  }
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length || names.length > MAX_COMPARED) return false
  for (const name of names) {
    if (!Object.hasOwn(b, name)) return false
    pairs.push(a[name], b[name])
  }
  return true
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
