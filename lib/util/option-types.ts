import { types } from 'node:util'
import { isPlainObject, NoexOptionsError, type ValueType } from './option-schema.js'

const { isAsyncFunction, isGeneratorFunction } = types

/** The longest time that a timer can wait, in milliseconds. */
export const MAX_TIMER_MS = 2_147_483_647

/** The largest integer that is exact: the bound of options that have no other. */
export const MAX_INTEGER = Number.MAX_SAFE_INTEGER

/** Integers from `min` to `max`. */
export function integer (min: number, max: number): ValueType {
  const bounds = max === MAX_INTEGER ? `at least ${grouped(min)}` : `${grouped(min)} to ${grouped(max)}`
  return type(`integer, ${bounds}`, `must be an integer from ${min} to ${max}`, value =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
}

/** Durations of timers, in milliseconds. */
export const timerMs = integer(1, MAX_TIMER_MS)

export const boolean = type('boolean', 'must be true or false', value => typeof value === 'boolean')

export const nonEmptyText = type('text', 'must be a non-empty text', isNonEmptyText)

export const textArray = type('array of texts', 'must be an array of non-empty texts', value =>
  Array.isArray(value) && value.every(isNonEmptyText))

export const plainObject = type('object', 'must be an object', isPlainObject)

export const array = type('array', 'must be an array', Array.isArray)

/** Functions. A generator function is refused: called, it would do nothing. */
export const callback: ValueType = {
  text: 'function',
  check (value, path) {
    if (typeof value !== 'function') throw new NoexOptionsError(path, 'must be a function')
    if (isGeneratorFunction(value)) {
      throw new NoexOptionsError(path, 'must not be a generator function: called, it does nothing')
    }
  }
}

/**
 * Functions that can answer at once. One that returns a promise without being `async` shows when it is
 * called.
 */
export const synchronousCallback: ValueType = {
  text: 'function that is not `async`',
  check (value, path) {
    callback.check(value, path)
    if (isAsyncFunction(value)) {
      throw new NoexOptionsError(path, 'must not be an async function: its answer counts at once')
    }
  }
}

/** Values that are checked where they are used. */
export function unchecked (text: string): ValueType {
  return { text, check () {} }
}

/** Builds a type of values from a test and from what the error says of any other value. */
export function type (text: string, problem: string, test: (value: unknown) => boolean): ValueType {
  return {
    text,
    check (value, path) {
      if (!test(value)) throw new NoexOptionsError(path, problem)
    }
  }
}

/** The values of a type, and `false`. */
export function orFalse ({ text, check }: ValueType): ValueType {
  return {
    text: `${text}, or \`false\``,
    check (value, path) {
      if (value !== false) check(value, path)
    }
  }
}

/** The given texts, which the error quotes. */
export function either (...values: readonly [string, string]): ValueType {
  const [quoted, shown] = ['"', '`'].map(mark => values.map(value => mark + value + mark).join(' or ')) as
    [string, string]
  return type(shown, `must be ${quoted}`, value => values.includes(value as string))
}

/** Writes a number with its digits in groups of three. */
function grouped (value: number): string {
  return value.toLocaleString('en')
}

function isNonEmptyText (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
