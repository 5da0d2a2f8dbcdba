// Says in words what the table of operations says: the list below the heading of an operation in PROTOCOL.md,
// and the table of all operations.
import { Key } from '../../dist/lib/protocol/fields.js'
import { table } from './tables.js'

const WIDTH = 110
const number = value => value.toLocaleString('en')
const isNull = ({ type }) => type === 'null'
const keyText = JSON.stringify(Key)

/** Builds the table of all operations, in the order of the table in the code. */
export function operationTable (operations) {
  const rows = [...operations.values()].map(operation => {
    const { name, tier, accessLevel, takesKey, errors = [] } = operation
    return [
      `[\`${name}\`](#${name.toLowerCase().replaceAll('.', '')})`,
      accessLevel === 'permission' ? tier : callers(operation),
      takesKey ? 'yes' : '',
      errors.map(code => `\`${code}\``).join(', ')
    ]
  })
  return table(['operation', 'for', 'takes a key', 'errors of its own'], rows)
}

/**
 * Returns PROTOCOL.md with the lines `tier` or `who`, `fields` and `errors` of each operation as its
 * definition says. A `who` in other words stays where the callers depend on the request, and so does a line
 * of errors that names the same codes, for its remarks.
 */
export function withOperationLists (text, operations) {
  const section = /^(#+ `([\w.]+)`\n)([^]*?)(?=^#+ |(?![^]))/gm
  return text.replace(section, (whole, heading, name, body) => {
    const operation = operations.get(name)
    return operation === undefined ? whole : heading + withList(body, operation)
  })
}

function withList (body, operation) {
  const list = /^- (?:tier|who): [^]*?(?=\n\n)/m.exec(body)
  if (list === null) throw new Error(`PROTOCOL.md has no list "- tier: …" below ${operation.name}`)
  const stated = new Map(list[0].split(/\n(?=- )/).map(line => [/^- (\w+):/.exec(line)?.[1], line]))
  const unknown = [...stated.keys()].filter(name => !names.includes(name))
  if (unknown.length > 0) throw new Error(`PROTOCOL.md, ${operation.name}: a list has no "${unknown[0]}"`)
  const lines = [
    caller(operation, stated), wrapped(`- fields: ${fieldsOf(operation)}`), stated.get('result'),
    errors(operation, stated.get('errors'))
  ]
  return body.replace(list[0], () => lines.filter(line => line !== undefined).join('\n'))
}

const names = ['tier', 'who', 'fields', 'result', 'errors']

function caller (operation, stated) {
  if (operation.accessLevel === 'permission') return `- tier: ${operation.tier}`
  const said = stated.get('who')
  return operation.accessLevel === 'session' && said !== undefined ? said : `- who: ${callers(operation)}`
}

function callers ({ accessLevel }) {
  return { everyone: 'any client', session: 'any user' }[accessLevel] ?? accessLevel
}

function errors ({ errors: codes }, said = '') {
  if (codes === undefined) return said === '' ? undefined : said
  const named = [...said.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code)
  if (named.join() === codes.join()) return said === '' ? undefined : said
  return codes.length === 0 ? undefined : wrapped(`- errors: ${codes.map(code => `\`${code}\``).join(', ')}`)
}

/** Optional fields of an operation that may not be `null`, up to which each is named. */
const MAX_NAMED = 2

/** Returns the fields of a request in words; "none" where it has none. */
function fieldsOf ({ documented: { properties, required = [] } }) {
  const fields = Object.entries(properties)
  const optional = fields.filter(([name]) => !required.includes(name))
  const present = optional.filter(([, schema]) => !takesNull(schema)).map(([name]) => name)
  const words = fields.map(([name, schema]) => {
    const mark = required.includes(name) ? '' : '?'
    const fallback = schema.default === undefined ? '' : ` (${number(schema.default)})`
    const kind = name === 'key' && JSON.stringify(schema) === keyText ? '' : ` ${wordsOf(schema)}`
    return `\`${name}${mark}\`${kind}${fallback}`
  })
  if (words.length === 0) return 'none'
  return words.join(', ') + nullsIn(optional, present)
}

/** Says which optional fields may be `null`, where not all of them may; `present` are those that may not. */
function nullsIn (optional, present) {
  if (present.length === 0) return ''
  const isOne = present.length === 1
  if (present.length === optional.length) return isOne ? '; not `null`' : '; none may be `null`'
  if (present.length <= MAX_NAMED) return `; ${named(present)} ${isOne ? 'is' : 'are'} not \`null\``
  const others = optional.filter(([, schema]) => takesNull(schema)).map(([name]) => name)
  return `; only ${named(others)} may be \`null\``
}

function named (names) {
  return names.map(name => `\`${name}\``).join(' and ')
}

function takesNull (schema) {
  return schema.anyOf?.some(isNull) ?? (schema.type === undefined && schema.enum === undefined)
}

/** Returns the values of a schema in words; its own description where it has one. */
function wordsOf (schema) {
  if (schema.description !== undefined) return schema.description
  if (JSON.stringify(schema) === keyText) return 'key'
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum !== undefined) return schema.enum.map(value => `\`${value}\``).join(' or ')
  if (schema.anyOf !== undefined) return unionWords(schema.anyOf.filter(part => !isNull(part)))
  switch (schema.type) {
    case 'string':
      return (schema.minLength >= 1 ? 'name' : 'text') + atMost(schema.maxLength, ' characters')
    case 'integer':
      return `integer${range(schema)}`
    case 'array':
      return `${listWords(schema.items)}${atMost(schema.maxItems, '')}`
    case 'object':
      return schema.properties === undefined ? 'object' : `\`{${membersOf([schema])}}\``
    default:
      return schema.type ?? 'anything, also `null`'
  }
}

function unionWords (parts) {
  const isObjects = parts.length > 1 && parts.every(({ properties }) => properties !== undefined)
  return isObjects ? `\`{${membersOf(parts)}}\`` : parts.map(wordsOf).join(' or ')
}

function membersOf (objects) {
  const members = new Set(objects.flatMap(({ properties }) => Object.keys(properties)))
  return [...members]
    .map(name => objects.every(({ required = [] }) => required.includes(name)) ? name : `${name}?`)
    .join(', ')
}

function listWords (items) {
  return items === undefined || Object.keys(items).length === 0 ? 'array' : `${wordsOf(items)}[]`
}

function atMost (max, unit) {
  return max === undefined ? '' : ` (at most ${number(max)}${unit})`
}

function range ({ minimum, maximum }) {
  if (maximum !== undefined) return ` from ${number(minimum)} to ${number(maximum)}`
  return minimum === undefined ? '' : ` ≥ ${minimum}`
}

/** Breaks an item of a list between its words. */
function wrapped (item) {
  const lines = ['']
  for (const word of item.split(/ (?=(?:[^`]*`[^`]*`)*[^`]*$)/)) {
    const last = lines.at(-1)
    const longer = last === '' ? word : `${last} ${word}`
    if (longer.length <= WIDTH || last.trim() === '') lines[lines.length - 1] = longer
    else lines.push(`  ${word}`)
  }
  return lines.join('\n')
}
