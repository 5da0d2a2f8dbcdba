/** Levels of objects and arrays in what is copied. */
const MAX_DEPTH = 64

/**
 * Copies a value of the application as JSON holds it: each member is read once. Members that are `undefined`
 * are left out, and a date becomes its text.
 * @throws {TypeError} that names by its path what JSON cannot hold
 */
export function jsonCopy (value: unknown, path: string, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw refusal(path, `the number ${value}`)
      return value
    case 'object': {
      if (value === null) return null
      if (value instanceof Date) return textOfDate(value, path)
      if (depth === MAX_DEPTH) throw refusal(path, `a circle, or more than ${MAX_DEPTH} levels`)
      return Array.isArray(value) ? copyOfList(value, path, depth) : copyOfMembers(value, path, depth)
    }
    default:
      throw refusal(path, value === undefined ? 'undefined' : `a ${typeof value}`)
  }
}

function copyOfList (list: readonly unknown[], path: string, depth: number): unknown[] {
  return Array.from(list, (item, i) => jsonCopy(item, `${path}[${i}]`, depth + 1))
}

function copyOfMembers (value: object, path: string, depth: number): object {
  if (!isPlain(value)) throw refusal(path, 'an instance of a class')
  const copied: Array<[name: string, value: unknown]> = []
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) copied.push([name, jsonCopy(member, `${path}.${name}`, depth + 1)])
  }
  // Makes a member of its own also of `__proto__`.
  return Object.fromEntries(copied)
}

/** Whether an object is of no class: those that Fastify makes of a query string have a bare prototype. */
function isPlain (value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function textOfDate (date: Date, path: string): string {
  if (Number.isNaN(date.getTime())) throw refusal(path, 'an invalid date')
  return date.toISOString()
}

function refusal (path: string, found: string): TypeError {
  return new TypeError(`${path} must be what JSON can hold; it is ${found}`)
}
