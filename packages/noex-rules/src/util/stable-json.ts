/** The most characters of a text. */
const MAX_LENGTH = 4096
const MAX_DEPTH = 16

/**
 * Returns a text that is equal for equal values, in any order of their properties. Returns `undefined` for
 * functions, symbols, instances of classes, for more than 16 levels and for more than 4096 characters.
 */
export function stableJson (value: unknown): string | undefined {
  const parts: string[] = []
  return write(value, { parts, length: 0 }, 0) ? parts.join('') : undefined
}

interface Output {
  readonly parts: string[]
  length: number
}

function write (value: unknown, output: Output, depth: number): boolean {
  if (value === null || typeof value !== 'object') {
    const text = writePrimitive(value)
    return text !== undefined && append(text, output)
  }
  if (depth === MAX_DEPTH) return false
  return Array.isArray(value) ? writeArray(value, output, depth) : writeObject(value, output, depth)
}

function writePrimitive (value: unknown): string | undefined {
  switch (typeof value) {
    case 'string': return value.length > MAX_LENGTH ? undefined : JSON.stringify(value)
    case 'number': return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint': return `${value}n`
    case 'function':
    case 'symbol': return undefined
    default: return String(value)
  }
}

function writeArray (array: readonly unknown[], output: Output, depth: number): boolean {
  if (!append('[', output)) return false
  for (const member of array) {
    if (!write(member, output, depth + 1) || !append(',', output)) return false
  }
  return append(']', output)
}

function writeObject (object: object, output: Output, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== Object.prototype && prototype !== null) return false
  const names = Object.keys(object)
  if (names.length > MAX_LENGTH || !append('{', output)) return false
  for (const name of names.sort()) {
    if (!write(name, output, depth) || !append(':', output)) return false
    if (!write((object as Record<string, unknown>)[name], output, depth + 1) || !append(',', output)) {
      return false
    }
  }
  return append('}', output)
}

function append (text: string, output: Output): boolean {
  output.length += text.length
  if (output.length > MAX_LENGTH) return false
  output.parts.push(text)
  return true
}
