type Fields = Readonly<Record<string, unknown>>

/** Reads a member of a record. */
export type Getter = (record: Fields) => unknown

/**
 * Returns what reads a field, which may be a dotted path through objects and arrays. A member whose own name
 * holds the dots comes first. Members that every object inherits are none.
 */
export function getterOf (path: string): Getter {
  if (path in Object.prototype) return record => Object.hasOwn(record, path) ? record[path] : undefined
  if (!path.includes('.')) return record => record[path]
  const names = path.split('.')
  return record => Object.hasOwn(record, path) ? record[path] : follow(record, names)
}

/** Tells whether a field is read by `record[field]` alone. */
export function isPlainField (path: string): boolean {
  return !path.includes('.') && !(path in Object.prototype)
}

function follow (record: Fields, names: readonly string[]): unknown {
  let value: unknown = record
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Fields)[name]
  }
  return value
}
