import { types } from 'node:util'

/**
 * Member of a stored date that holds its epoch milliseconds, also when a setter of `Date.prototype` is called
 * on it.
 */
const TIME = Symbol('time')

type StoredDate = Date & { readonly [TIME]: number }

const setters = Object.getOwnPropertyNames(Date.prototype)
  .filter(name => name.startsWith('set'))
  .map(name => [name, { value: refuse }] as const)

/**
 * Returns a date that cannot be changed: its setters throw. They are own members that are not enumerable, not
 * those of a class, so that it equals a plain `Date` also for deep comparisons, which look at prototypes.
 */
export function storedDate (time: number): Date {
  const date = new Date(time)
  Object.defineProperty(date, TIME, { value: time })
  for (const [name, setter] of setters) Object.defineProperty(date, name, setter)
  return Object.freeze(date)
}

/** Tells whether a value is a date of `storedDate`. */
export function isStoredDate (value: object): value is StoredDate {
  return types.isDate(value) && Object.hasOwn(value, TIME) && Object.isFrozen(value)
}

/**
 * Returns the epoch milliseconds of a date, NaN for an invalid one; those of a stored date never change, also
 * where a setter of `Date.prototype` has been called on it.
 */
export function timeOf (date: Date): number {
  if (!types.isDate(date)) return NaN
  return (date as Partial<StoredDate>)[TIME] ?? Date.prototype.getTime.call(date)
}

function refuse (this: unknown): never {
  throw new TypeError('A date of a record cannot be changed; change a copy of it: new Date(record.field)')
}
