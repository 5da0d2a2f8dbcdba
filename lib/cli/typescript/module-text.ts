import {
  isObject, listOf, literal, membersOf, objectType, typeOfSchema, union, UNKNOWN, type Member
} from './type-text.js'

/** Levels of nesting of the fields of a bucket. */
const MAX_DEPTH = 32

type Shape = Readonly<Record<string, unknown>>

/**
 * Returns a TypeScript module with the types of a server, of the answer of `server.describe`, which may be
 * anything. `origin` says where it comes from.
 */
export function moduleText (description: unknown, origin: string): string {
  const { buckets, queries, procedures, operations } = isObject(description) ? description : {} as Shape
  const known = new Map(membersOf(buckets).filter((entry): entry is [string, Shape] => isObject(entry[1])))
  const queryTypes = membersOf(queries).map(([name, query]) => ({ name, type: typeOfQuery(query, known) }))
  const procedureTypes = membersOf(procedures).map(([name, procedure]) => ({
    name, type: objectType([{ name: 'input', type: typeOfInput(procedure) }])
  }))
  const operationTypes = membersOf(operations).map(([name, operation]) => ({
    name, type: typeOfOperation(operation)
  }))
  const helpers = ['WireGroup', 'WireRecord']
    .filter(helper => queryTypes.some(({ type }) => type.includes(`${helper}<Buckets`)))
  return [
    `// Written by "fastify-noex types", of ${literal(origin)}. Write it anew instead of changing it.`,
    ...(helpers.length === 0 ? [] : [`import type { ${helpers.join(', ')} } from 'fastify-noex/client'\n`]),
    '/** The buckets that a client may use. */',
    `export type Buckets = ${typeOfBuckets(known)}\n`,
    '/** All that a client may use: `createClient<Schema, Operations>(url)`. */',
    'export interface Schema {',
    '  readonly buckets: Buckets',
    `  readonly queries: ${inner(recordOf(queryTypes))}`,
    `  readonly procedures: ${inner(recordOf(procedureTypes))}`,
    '}\n',
    '/** The operations of the application. */',
    `export type Operations = ${recordOf(operationTypes)}\n`
  ].join('\n')
}

/** Returns an object type, without members too. */
function recordOf (members: readonly Member[]): string {
  return members.length === 0 ? '{}' : objectType(members)
}

function inner (type: string): string {
  return type.replaceAll('\n', '\n  ')
}

function typeOfBuckets (buckets: ReadonlyMap<string, Shape>): string {
  return recordOf([...buckets].map(([name, { key, schema }]) => ({
    name,
    type: objectType([
      { name: 'key', type: typeof key === 'string' ? literal(key) : 'string' },
      { name: 'schema', type: typeOfFields(schema, 0) }
    ])
  })))
}

/** Returns the type of the definitions of fields: those of their members on which types depend. */
function typeOfFields (schema: unknown, depth: number): string {
  return recordOf(membersOf(schema).map(([name, field]) => ({ name, type: typeOfField(field, depth) })))
}

const fieldTypes = ['string', 'number', 'boolean', 'object', 'array', 'date']
const generatedTypes = ['uuid', 'cuid', 'autoincrement', 'timestamp']

function typeOfField (field: unknown, depth: number): string {
  const definition = isObject(field) ? field : {}
  const { type, generated, items, properties } = definition
  const types = fieldTypes.filter(name => name === type)
  const members: Member[] = [
    { name: 'type', type: union((types.length > 0 ? types : fieldTypes).map(literal)) }
  ]
  const add = (name: string, text: string): void => { members.push({ name, type: text }) }
  if (definition['required'] === true) add('required', 'true')
  if (Object.hasOwn(definition, 'default')) add('default', 'unknown')
  if (generatedTypes.includes(generated as string)) add('generated', literal(generated as string))
  if (Array.isArray(definition['enum'])) add('enum', `readonly [${enumOf(definition['enum']).join(', ')}]`)
  if (depth < MAX_DEPTH && isObject(properties)) add('properties', typeOfFields(properties, depth + 1))
  if (depth < MAX_DEPTH && isObject(items)) add('items', typeOfField(items, depth + 1))
  return objectType(members)
}

function enumOf (values: readonly unknown[]): string[] {
  return values.map(value => typeOfSchema({ const: value }))
}

/** Returns the type of the parameters and of the result of a query; nothing is known of one in code. */
function typeOfQuery (query: unknown, buckets: ReadonlyMap<string, Shape>): string {
  const { bucket, fields, aggregate, params } = isObject(query) ? query : {} as Shape
  if (typeof bucket !== 'string') {
    return objectType([{ name: 'params', type: 'any' }, { name: 'result', type: UNKNOWN }])
  }
  const schema = buckets.get(bucket)?.['schema']
  const members = membersOf(params).map(([name, at]) => ({ name, type: typeOfParam(at, schema) }))
  return objectType([
    ...(members.length === 0 ? [] : [{ name: 'params', type: objectType(members) }]),
    { name: 'result', type: schema === undefined ? UNKNOWN : typeOfResult(bucket, fields, aggregate) }
  ])
}

function typeOfResult (bucket: string, fields: unknown, aggregate: unknown): string {
  const row = `WireRecord<Buckets, ${literal(bucket)}>`
  if (isObject(aggregate)) {
    const groups = [aggregate['groupBy'] ?? []].flat()
    if (groups.length > 0) return listOf(`WireGroup<Buckets, ${literal(bucket)}, ${namesIn(groups)}>`)
    return ['min', 'max'].includes(aggregate['function'] as string) ? 'number | null' : 'number'
  }
  return listOf(Array.isArray(fields) ? `Pick<${row}, keyof ${row} & (${namesIn(fields)})>` : row)
}

function namesIn (names: readonly unknown[]): string {
  return union(names.filter(name => typeof name === 'string').map(literal))
}

/** Values that a parameter of any field may have. */
const ANY_VALUE = 'string | number | boolean | null'
const values: Readonly<Record<string, string>> = {
  string: 'string', number: 'number', boolean: 'boolean', date: 'number | string'
}

/** Returns the type of a parameter by the field and the operator that it is compared by. */
function typeOfParam (at: unknown, schema: unknown): string {
  const { field, operator } = isObject(at) ? at : {} as Shape
  if (operator === '$exists') return 'boolean'
  const definition = fieldAt(schema, String(field).split('.'))
  const type = values[definition?.['type'] as string] ?? ANY_VALUE
  const choices = definition?.['enum']
  const value = Array.isArray(choices) && choices.length > 0 ? union(enumOf(choices)) : type
  switch (operator) {
    case '$in':
    case '$nin': return listOf(union([value, 'null']))
    case '$between': return `readonly [${type}, ${type}]`
    case '$eq':
    case '$neq': return union([value, 'null'])
    default: return type
  }
}

/** Returns the definition at a path into a schema; `undefined` where there is none. */
function fieldAt (schema: unknown, path: readonly string[]): Shape | undefined {
  let fields = schema
  let found: unknown
  for (const name of path) {
    const list: unknown = isObject(found) ? found['items'] : undefined
    found = list !== undefined && /^\d+$/.test(name) ? list : new Map(membersOf(fields)).get(name)
    fields = isObject(found) ? found['properties'] : undefined
  }
  return isObject(found) ? found : undefined
}

/** Returns the type of the input of a procedure: a member is required unless it says otherwise. */
function typeOfInput (procedure: unknown): string {
  const members = membersOf(isObject(procedure) ? procedure['input'] : undefined).map(([name, input]) => {
    const { type, required, ...others } = isObject(input) ? input : {} as Shape
    return {
      name,
      type: typeOfSchema({ type }),
      isOptional: required === false || Object.hasOwn(others, 'default')
    }
  })
  return recordOf(members)
}

function typeOfOperation (operation: unknown): string {
  const { input, output } = isObject(operation) ? operation : {} as Shape
  return objectType([
    { name: 'input', type: typeOfSchema(input) }, { name: 'output', type: typeOfSchema(output) }
  ])
}
