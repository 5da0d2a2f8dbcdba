import { timeOf } from '../schema/stored-date.js'
import { isPlain } from '../util/value-kinds.js'

/** Tells whether two results are the same: same values in the same places, dates of the same time. */
export function deepEqual (a: unknown, b: unknown): boolean {
  if (Object.is(a, b) || a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Date) return b instanceof Date && Object.is(timeOf(a), timeOf(b))
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => deepEqual(item, b[i]))
  }
  if (Array.isArray(b) || !isPlain(a) || !isPlain(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && deepEqual(a[name], b[name]))
}
