import { storedDate, timeOf } from './stored-date.js'
import { isPlain } from '../util/value-kinds.js'

/** Levels of a definition: more than any filter or schema can use, fewer than would fill the stack. */
const MAX_LEVELS = 2_000

/**
 * Returns the definition of a bucket or query as the store keeps it: plain objects and arrays are copied and
 * frozen, so that neither the caller nor a reader can change it. `Date`s are copied and cannot be changed,
 * functions and instances of other classes are kept. Values of records are read by `InputReader`.
 * @throws RangeError for one that is nested too deeply
 */
export function frozenDefinition (value: unknown): unknown {
  return typeof value === 'object' && value !== null ? frozenCopy(value, new Map(), 1) : value
}

/** `seen` has the copies of what surrounds the value: a circle stays one. */
function frozenCopy (value: object, seen: Map<object, object>, level: number): object {
  if (value instanceof Date) return storedDate(timeOf(value))
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(value)) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  if (level > MAX_LEVELS) throw new RangeError(`A definition may be nested in ${MAX_LEVELS} levels`)
  const copy: Record<string, unknown> | unknown[] = isArray ? [...value] : { ...value }
  seen.set(value, copy)
  for (const name of Object.keys(copy)) {
    const member = (copy as Record<string, unknown>)[name]
    // An own member named __proto__ is replaced like any other.
    if (typeof member === 'object' && member !== null) {
      (copy as Record<string, unknown>)[name] = frozenCopy(member, seen, level + 1)
    }
  }
  return Object.freeze(copy)
}
