import type { BucketDefinition, FieldDefinition } from '../types/schema.js'
import { isObject } from '../util/value-kinds.js'

/** Differences of two definitions that are named. */
const MAX_DIFFERENCES = 5

/** Whether the records of a bucket outlive the process: where there is a log, an adapter, or a backup. */
export function outlivesProcess ({ persistent, ephemeral }: BucketDefinition): boolean {
  return persistent !== false && ephemeral !== true
}

/** Returns a definition as data: functions are left out. */
export function withoutFunctions (definition: BucketDefinition): BucketDefinition {
  return JSON.parse(JSON.stringify(definition)) as BucketDefinition
}

/** Paths of the functions in a definition: `validate`, `schema.age.validate`, `schema.list.items.default`. */
export function functionPathsOf ({ schema, validate }: BucketDefinition): string[] {
  const paths = Object.entries(schema).flatMap(([name, field]) => pathsIn(field, `schema.${name}`))
  if (typeof validate === 'function') paths.push('validate')
  return paths
}

function pathsIn (field: FieldDefinition, path: string): string[] {
  return [
    ...(['default', 'validate'] as const).flatMap(
      member => typeof field[member] === 'function' ? [`${path}.${member}`] : []
    ),
    ...(field.items === undefined ? [] : pathsIn(field.items, `${path}.items`)),
    ...Object.entries(field.properties ?? {}).flatMap(
      ([name, property]) => pathsIn(property, `${path}.properties.${name}`)
    )
  ]
}

/** Returns the definition of a log with the functions that this process has declared for the bucket. */
export function withFunctionsOf (declared: BucketDefinition, logged: BucketDefinition): BucketDefinition {
  return withFunctions(declared, logged) as BucketDefinition
}

function withFunctions (declared: unknown, logged: unknown): unknown {
  if (typeof declared === 'function') return logged ?? declared
  if (!isObject(declared) || !isObject(logged)) return logged
  const merged: Record<string, unknown> = { ...logged }
  for (const name of Object.keys(declared)) {
    // A member that the log has not is another one now, or a function.
    if (name in logged || typeof declared[name] === 'function') {
      merged[name] = withFunctions(declared[name], logged[name])
    }
  }
  return merged
}

/**
 * Names the first members in which two definitions differ, as JSON has them; a member with its default value
 * is the same as none. `functions` are the paths at which the one there has functions. Returns `undefined`
 * when they are the same.
 */
export function differenceOf (
  here: BucketDefinition, there: BucketDefinition, functions: readonly string[]
): string | undefined {
  const found: string[] = []
  collect(withoutDefaults(withoutFunctions(here)), withoutDefaults(withoutFunctions(there)), '', found)
  const given = new Set(functionPathsOf(here))
  for (const path of functions) {
    if (!given.has(path)) found.push(`${path} is absent here and a function there`)
  }
  return found.length === 0 ? undefined : found.slice(0, MAX_DIFFERENCES).join('; ')
}

/** Members of definitions that say the same when they are absent. */
const bucketDefaults = { indexes: [], etsType: 'set', persistent: true, ephemeral: false }
const fieldDefaults = { required: false, unique: false, onDelete: 'restrict' }

/** Returns the data of a definition without members that have their default value. */
function withoutDefaults (definition: BucketDefinition): Record<string, unknown> {
  return { ...without(definition, bucketDefaults), schema: fieldsWithoutDefaults(definition.schema) }
}

function fieldsWithoutDefaults (fields: BucketDefinition['schema']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, fieldWithoutDefaults(field)])
  )
}

function fieldWithoutDefaults (field: FieldDefinition): Record<string, unknown> {
  const { items, properties } = field
  return {
    ...without(field, fieldDefaults),
    ...(items && { items: fieldWithoutDefaults(items) }),
    ...(properties && { properties: fieldsWithoutDefaults(properties) })
  }
}

function without (
  members: object, defaults: Readonly<Record<string, unknown>>
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([name, value]) => (
    !Object.hasOwn(defaults, name) || JSON.stringify(value) !== JSON.stringify(defaults[name])
  )))
}

/** Whether two values are the same as JSON. */
export function isSameData (here: unknown, there: unknown): boolean {
  const found: string[] = []
  collect(here, there, '', found)
  return found.length === 0
}

function collect (here: unknown, there: unknown, path: string, found: string[]): void {
  if (found.length >= MAX_DIFFERENCES) return
  if (isObject(here) && isObject(there)) {
    for (const name of new Set([...Object.keys(here), ...Object.keys(there)])) {
      collect(here[name], there[name], path === '' ? name : `${path}.${name}`, found)
    }
    return
  }
  const [own, other] = [JSON.stringify(here), JSON.stringify(there)]
  if (own !== other) found.push(`${path} is ${shown(own)} here and ${shown(other)} there`)
}

function shown (text: string | undefined): string {
  if (text === undefined) return 'absent'
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
