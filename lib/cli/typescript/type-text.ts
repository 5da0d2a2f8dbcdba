/** Levels of nesting of a type; what lies deeper is `unknown`. */
const MAX_DEPTH = 32

/** The type of something of which nothing is known. */
export const UNKNOWN = 'unknown'

/** A member of an object type. */
export interface Member {
  readonly name: string
  readonly type: string
  readonly isOptional?: boolean
}

/** Returns the members of an object of the server; none of anything else. */
export function membersOf (value: unknown): Array<[name: string, value: unknown]> {
  return isObject(value) ? Object.entries(value) : []
}

/** Whether a value of the server is an object and no list. */
export function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the literal type of a text, in which quotes, ends of lines and of comments are escaped. */
export function literal (text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${escaped.replace(/[\u007f-\uffff]/g, escapeUnit)}'`
}

/** Letters of all languages may stand as they are; other characters could look like an end of the line. */
function escapeUnit (unit: string): string {
  return /\p{L}/u.test(unit) ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Returns the union of some types, each once; `never` of none. */
export function union (types: readonly string[]): string {
  const distinct = [...new Set(types)]
  if (distinct.includes(UNKNOWN)) return UNKNOWN
  return distinct.length === 0 ? 'never' : distinct.join(' | ')
}

/** Returns the type of a list; its elements are of one type. */
export function listOf (type: string): string {
  return `ReadonlyArray<${type}>`
}

/** Returns an object type. */
export function objectType (members: readonly Member[], rest: readonly string[] = []): string {
  const lines = members.map(({ name, type, isOptional = false }) =>
    `readonly ${/^[a-z_$][\w$]*$/i.test(name) ? name : literal(name)}${isOptional ? '?' : ''}: ${type}`)
  const all = [...lines, ...rest]
  if (all.length === 0) return 'Readonly<Record<string, never>>'
  return `{\n${all.map(line => indent(line)).join('\n')}\n}`
}

function indent (text: string): string {
  return text.replaceAll(/^/gm, '  ')
}

/** Returns the type of values that a JSON Schema accepts: `unknown` where it says what a type cannot. */
export function typeOfSchema (schema: unknown, depth = 0): string {
  if (!isObject(schema) || depth > MAX_DEPTH) return UNKNOWN
  if (Object.hasOwn(schema, 'const')) return literalOf(schema['const'])
  const { type } = schema
  if (Array.isArray(schema['enum'])) return union(schema['enum'].map(literalOf))
  for (const name of ['anyOf', 'oneOf']) {
    const choices = schema[name]
    if (Array.isArray(choices)) return union(choices.map(choice => typeOfSchema(choice, depth + 1)))
  }
  if (Array.isArray(schema['allOf'])) {
    const parts = schema['allOf'].map(part => typeOfSchema(part, depth + 1)).filter(part => part !== UNKNOWN)
    return parts.length === 0 ? UNKNOWN : parts.map(part => `(${part})`).join(' & ')
  }
  if (Array.isArray(type)) {
    // Each once: otherwise a short schema could lead to a type without end.
    const types = new Set(type.filter(one => typeof one === 'string'))
    return union([...types].map(one => typeOfSchema({ ...schema, type: one }, depth + 1)))
  }
  switch (type) {
    case 'string': return 'string'
    case 'number':
    case 'integer': return 'number'
    case 'boolean': return 'boolean'
    case 'null': return 'null'
    case 'array': return typeOfList(schema, depth)
    case 'object': return typeOfObject(schema, depth)
    default: return UNKNOWN
  }
}

function literalOf (value: unknown): string {
  if (typeof value === 'string') return literal(value)
  if (value === null || typeof value === 'boolean' || Number.isFinite(value)) return String(value)
  return typeof value === 'number' ? 'number' : UNKNOWN
}

function typeOfList (schema: Readonly<Record<string, unknown>>, depth: number): string {
  const { items, prefixItems } = schema
  const places = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : undefined
  if (places === undefined) return listOf(typeOfSchema(items, depth + 1))
  return `readonly [${places.map(place => typeOfSchema(place, depth + 1)).join(', ')}]`
}

function typeOfObject (schema: Readonly<Record<string, unknown>>, depth: number): string {
  const { properties, required, additionalProperties, patternProperties } = schema
  const members = membersOf(properties).map(([name, value]) => ({
    name,
    type: typeOfSchema(value, depth + 1),
    isOptional: !(Array.isArray(required) && required.includes(name))
  }))
  const others = [
    ...(isObject(additionalProperties) ? [additionalProperties] : []),
    ...membersOf(patternProperties).map(([, value]) => value)
  ]
  if (members.length > 0) return objectType(members)
  if (others.length === 0) return additionalProperties === false ? objectType([]) : 'object'
  return `Readonly<Record<string, ${union(others.map(other => typeOfSchema(other, depth + 1)))}>>`
}
