/** The most values that are compared; two larger values count as different. */
const MAX_COMPARED = 10_000

/**
 * Returns whether two values are equal: the same primitive, or arrays or plain objects with equal members.
 * Any other objects are equal only when they are identical. Takes bounded time: values that need more than 10
 * 000 comparisons count as different.
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

/** Adds the pairs of members to compare. Returns false when the values differ already. */
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
