/** The names of the parameters that a query in code has read; `'all'` when it may depend on each of them. */
export type UsedNames = ReadonlySet<string> | 'all'

/** The parameters of a query, with a record of those that it reads. */
export interface RecordedParams {
  /** To be given to the query. */
  readonly params: unknown
  /** Returns the names that have been read so far. */
  used: () => UsedNames
}

/** Names that are told apart: a query that reads more of them is taken to use all. */
const MAX_NAMES = 64

/**
 * Records which of its parameters a query in code reads, so that those which it does not use make no live
 * query of their own. What is within a parameter counts as read together with it. Parameters that are no
 * plain object count as read.
 */
export function recordParams (given: unknown): RecordedParams {
  // The query may change its own.
  const params: unknown = structuredClone(given)
  if (!isPlain(params)) return { params, used: () => 'all' }
  const names = new Set<string>()
  let isWhole = false
  const note = (name: string | symbol): void => {
    if (typeof name === 'string') names.add(name)
    if (names.size > MAX_NAMES) isWhole = true
    if (isWhole) names.clear()
  }
  const recorder = new Proxy(params, {
    get (target, name) {
      note(name)
      return Reflect.get(target, name) as unknown
    },
    has (target, name) {
      note(name)
      return Reflect.has(target, name)
    },
    getOwnPropertyDescriptor (target, name) {
      note(name)
      return Reflect.getOwnPropertyDescriptor(target, name)
    },
    ownKeys (target) {
      isWhole = true
      return Reflect.ownKeys(target)
    }
  })
  return { params: recorder, used: () => isWhole ? 'all' : names }
}

/** Returns the text by which the used ones of some parameters are told apart: equal for equal ones. */
export function usedKey (params: unknown, used: UsedNames): string {
  if (used === 'all' || !isPlain(params)) return `whole ${JSON.stringify(sortedMembers(params))}`
  const picked = [...used].filter(name => Object.hasOwn(params, name)).sort()
  return JSON.stringify(picked.map(name => [name, sortedMembers(params[name])]))
}

function isPlain (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the value with the members of objects sorted by name, so that equal parameters have equal JSON. */
export function sortedMembers (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedMembers)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
  return Object.fromEntries(entries.map(([name, item]) => [name, sortedMembers(item)]))
}
