/**
 * Reads a value by a dotted path: own members of objects, indexes and `length` of arrays. What is
 * not there, and what lies below a value that is no object, is `undefined`; the empty path is the
 * value itself. Nothing is read from prototypes. A getter that throws reads as `undefined`.
 */
export function getNestedValue (object: unknown, path: string): unknown {
  return compilePath(path)(object)
}

/** Prepares the reading of a path. */
export function compilePath (path: string): (value: unknown) => unknown {
  if (path === '') return value => value
  const names = path.split('.')
  if (names.length === 1) return value => getOwn(value, path)
  return value => {
    let found = value
    for (const name of names) {
      if (found === undefined || found === null) return undefined
      found = getOwn(found, name)
    }
    return found
  }
}

function getOwn (value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
  } catch {
    return undefined
  }
}
