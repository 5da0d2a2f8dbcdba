import { Format } from 'typebox/format'
import type { Problem } from '../permissions/where.js'
import { isPlainObject } from '../util/option-schema.js'
import { didYouMean, nearestNames, quoted } from '../util/nearest.js'

const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

/** Keywords whose value is a schema, a list of schemas, and schemas by name. */
const ofSchema = ['items', 'additionalProperties', 'not', 'contains', 'propertyNames', 'if', 'then', 'else']
const ofList = ['anyOf', 'allOf', 'oneOf', 'prefixItems']
const ofNames = ['properties', 'patternProperties', '$defs']

/**
 * Returns a schema as JSON, which is what clients are shown; `undefined` where JSON cannot hold it, or it
 * cannot be read.
 */
export function jsonOf (schema: object): unknown {
  try {
    return JSON.parse(JSON.stringify(schema))
  } catch {
    return undefined
  }
}

/**
 * Returns the first problem of a schema, as JSON, that the compiler passes over: it would then accept what
 * its author has meant to refuse.
 */
export function schemaProblem (schema: unknown, path: string): Problem | undefined {
  if (typeof schema === 'boolean') return undefined
  if (!isPlainObject(schema)) return { path, problem: 'must be a schema' }
  return keywordProblem(schema, path) ?? firstProblemOf([
    ...ofSchema.filter(name => schema[name] !== undefined)
      .map(name => [schema[name], `${path}.${name}`] as const),
    ...ofList.flatMap(name => entriesOf(schema[name], index => `${path}.${name}[${index}]`)),
    ...ofNames.flatMap(name => entriesOf(schema[name], member => `${path}.${name}.${member}`))
  ])
}

function entriesOf (value: unknown, pathOf: (name: string) => string): Array<readonly [unknown, string]> {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).map(([name, schema]) => [schema, pathOf(name)])
}

function firstProblemOf (schemas: ReadonlyArray<readonly [unknown, string]>): Problem | undefined {
  for (const [schema, path] of schemas) {
    const found = schemaProblem(schema, path)
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns the problem with the keywords of one schema that are no schemas themselves. */
function keywordProblem (
  { type, format, pattern, required, ...others }: Readonly<Record<string, unknown>>, path: string
): Problem | undefined {
  for (const name of [type].flat()) {
    if (name === undefined || types.includes(name as string)) continue
    const problem = `is ${quoted(String(name))}, and JSON has ${types.join(', ')} only`
    return { path: `${path}.type`, problem }
  }
  if (format !== undefined && !(typeof format === 'string' && Format.Has(format))) {
    const [near] = nearestNames(String(format), Format.Entries().map(([name]) => name))
    return { path: `${path}.format`, problem: `is unknown${didYouMean(near)}` }
  }
  if (pattern !== undefined && !isPattern(pattern)) {
    return { path: `${path}.pattern`, problem: 'must be a regular expression' }
  }
  if (required !== undefined && !isTextList(required)) {
    return { path: `${path}.required`, problem: 'must be a list of names' }
  }
  const list = ofList.find(name => others[name] !== undefined && !Array.isArray(others[name]))
  if (list !== undefined) return { path: `${path}.${list}`, problem: 'must be a list of schemas' }
  const names = ofNames.find(name => others[name] !== undefined && !isPlainObject(others[name]))
  if (names === undefined) return undefined
  return { path: `${path}.${names}`, problem: 'must be an object of schemas' }
}

function isPattern (pattern: unknown): boolean {
  if (typeof pattern !== 'string') return false
  try {
    return new RegExp(pattern, 'u') instanceof RegExp
  } catch {
    return false
  }
}

function isTextList (value: unknown): boolean {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
