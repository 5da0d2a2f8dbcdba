/**
 * Returns a nested value as a record keeps it: plain objects and arrays are copied and frozen, so that
 * neither the caller nor a reader can change what is stored. `Date`s are copied, instances of other classes
 * are kept.
 */
export function frozenValue (value: unknown): unknown {
  return typeof value === 'object' && value !== null ? frozenCopy(value, new Map()) : value
}

/** `seen` has the copies of what surrounds the value: a circle stays one. */
function frozenCopy (value: object, seen: Map<object, object>): object {
  if (value instanceof Date) return new Date(value)
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(value)) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  const copy: Record<string, unknown> | unknown[] = isArray ? [...value] : { ...value }
  seen.set(value, copy)
  for (const name of Object.keys(copy)) {
    const member = (copy as Record<string, unknown>)[name]
    // An own member named __proto__ is replaced like any other.
    if (typeof member === 'object' && member !== null) {
      (copy as Record<string, unknown>)[name] = frozenCopy(member, seen)
    }
  }
  return Object.freeze(copy)
}

function isPlain (value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
