import { types } from 'node:util'
import { didYouMean, nearestNames } from './nearest.js'

const { isAsyncFunction, isGeneratorFunction } = types

/** A bad option: `path` is where it stands, for instance `heartbeat.intervalMs`. */
export class NoexOptionsError extends Error {
  override readonly name = 'NoexOptionsError'
  readonly code = 'NOEX_ERR_INVALID_OPTION'
  readonly path: string

  constructor (path: string, problem: string, options?: ErrorOptions) {
    super(`option ${path} ${problem}`, options)
    this.path = path
  }
}

/** Throws a NoexOptionsError unless `value` may stand at `path`. */
export type Check = (value: unknown, path: string) => void

/** What each member of an object of options must be; a group within is an object of options again. */
export interface Checks { readonly [name: string]: Check | Checks }

/**
 * Checks an object of options, the path of its members starting with `prefix`. `undefined` counts as absent.
 * @throws {NoexOptionsError} at the first member that is unknown or wrong
 */
export function checkGroup (given: Readonly<Record<string, unknown>>, group: Checks, prefix: string): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const path = prefix + name
    const check = Object.hasOwn(group, name) ? group[name] : undefined
    if (check === undefined) {
      throw new NoexOptionsError(path, `is unknown${didYouMean(nearestNames(name, Object.keys(group))[0])}`)
    }
    if (typeof check === 'function') {
      check(value, path)
    } else {
      if (!isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object')
      checkGroup(value, check, `${path}.`)
    }
  }
}

/**
 * Lays `given`, which has been checked, over the defaults, group by group. Arrays are copied, other objects
 * kept.
 */
export function merge (
  defaults: object,
  given: Readonly<Record<string, unknown>>,
  group: Checks
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...defaults }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    const inner = group[name]
    if (typeof inner === 'object') {
      merged[name] = merge(merged[name] as object, value as Record<string, unknown>, inner)
    } else {
      merged[name] = Array.isArray(value) ? [...value as unknown[]] : value
    }
  }
  return merged
}

/** The longest time that a timer can wait. */
export const MAX_TIMER_MS = 2_147_483_647

export function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isInteger (min: number, max: number): Check {
  return (value, path) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw new NoexOptionsError(path, `must be an integer from ${min} to ${max}`)
    }
  }
}

export function isBoolean (value: unknown, path: string): void {
  if (typeof value !== 'boolean') throw new NoexOptionsError(path, 'must be true or false')
}

export function isText (value: unknown, path: string): void {
  if (typeof value !== 'string' || value === '') throw new NoexOptionsError(path, 'must be a non-empty text')
}

export function isTextArray (value: unknown, path: string): void {
  if (!Array.isArray(value) || value.some(item => typeof item !== 'string' || item === '')) {
    throw new NoexOptionsError(path, 'must be an array of non-empty texts')
  }
}

/** Throws unless `value` is a function. A generator function is refused: called, it would do nothing. */
export function isFunction (value: unknown, path: string): void {
  if (typeof value !== 'function') throw new NoexOptionsError(path, 'must be a function')
  if (isGeneratorFunction(value)) {
    throw new NoexOptionsError(path, 'must not be a generator function: called, it does nothing')
  }
}

/**
 * Throws unless `value` is a function that can answer at once. One that returns a promise without being
 * `async` shows when it is called.
 */
export function isSynchronousFunction (value: unknown, path: string): void {
  isFunction(value, path)
  if (isAsyncFunction(value)) {
    throw new NoexOptionsError(path, 'must not be an async function: its answer counts at once')
  }
}

/** Throws unless `value` is a path of a route. */
export function isPath (value: unknown, path: string): void {
  if (typeof value !== 'string' || !/^\/[^\s?#:*]*$/.test(value)) {
    throw new NoexOptionsError(
      path,
      'must be a path that starts with "/" and has no blank, "?", "#", ":" or "*"'
    )
  }
}

/** Throws unless `value` is a path or empty. */
export function isPrefix (value: unknown, path: string): void {
  if (value !== '') isPath(value, path)
}

/** Throws unless `value` is a path or `false`. */
export function isPathOrFalse (value: unknown, path: string): void {
  if (value !== false) isPath(value, path)
}
