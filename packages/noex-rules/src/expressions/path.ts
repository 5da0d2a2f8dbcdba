/**
 * Reads a value by a dotted path: own properties of objects, indexes and `length` of arrays, nothing from
 * prototypes. Returns `undefined` for a missing value, below a value that is no object, and when a getter
 * throws; the empty path is the value itself.
 *
 * @example
 * ```js
 * getNestedValue({ order: { lines: [{ sku: 'A1' }] } }, 'order.lines.0.sku') // 'A1'
 * ```
 */
export function getNestedValue (object: unknown, path: string): unknown {
  return compilePath(path)(object)
}

/** Compiles a dotted path to a function that reads it. */
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
