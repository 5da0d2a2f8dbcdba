import {
  MAX_NESTING, SchemaValidator, type FieldDefinition, type SchemaDefinition
} from '@hamicek/noex-store'
import safeRegex from 'safe-regex2'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { invalid } from '../protocol/errors.js'
import { Count, Name } from '../protocol/fields.js'
import { firstProblem } from '../protocol/shape.js'
import { metadata } from './known-fields.js'
import type { NoexStore } from './noex-store.js'

/** Length limit of an `enum` as JSON: the store repeats all its values in each issue. */
const MAX_ENUM_CHARS = 4_096

const Field = Compile(Type.Object({
  type: Type.Enum(['string', 'number', 'boolean', 'object', 'array', 'date']),
  required: Type.Optional(Type.Boolean()),
  default: Type.Optional(Type.Unknown()),
  generated: Type.Optional(Type.Enum(['uuid', 'cuid', 'autoincrement', 'timestamp'])),
  enum: Type.Optional(Type.Array(Type.Unknown(), { minItems: 1, maxItems: 250 })),
  format: Type.Optional(Type.Enum(['email', 'url', 'iso-date'])),
  min: Type.Optional(Type.Number()),
  max: Type.Optional(Type.Number()),
  minLength: Type.Optional(Count),
  maxLength: Type.Optional(Count),
  pattern: Type.Optional(Type.String({ maxLength: 500 })),
  unique: Type.Optional(Type.Boolean()),
  ref: Type.Optional(Name),
  onDelete: Type.Optional(Type.Enum(['restrict', 'cascade', 'set_null'])),
  properties: Type.Optional(Type.Object({})),
  items: Type.Optional(Type.Object({}))
}, { additionalProperties: false }))

/**
 * Checks the fields of a schema, or of the object of a field at `depth`.
 * @throws `VALIDATION_ERROR` naming the field
 */
export function checkFields (
  store: NoexStore,
  bucket: string,
  schema: Record<string, unknown>,
  path: string,
  depth = 0
): void {
  for (const [name, field] of Object.entries(schema)) {
    // Every record would seem to have such a property.
    if (name in Object.prototype) throw invalid(`${path}.${name}`, 'is a name that every object has')
    if (depth === 0 && metadata.has(name)) {
      throw invalid(`${path}.${name}`, 'is a name that the store keeps for itself')
    }
    checkField(store, bucket, field, `${path}.${name}`, depth)
  }
}

function checkField (store: NoexStore, bucket: string, field: unknown, path: string, depth: number): void {
  if (!Field.Check(field)) throw firstProblem(Field, field, path)
  const definition = field as unknown as FieldDefinition
  if (definition.pattern !== undefined) checkPattern(definition.pattern, `${path}.pattern`)
  if (definition.enum !== undefined && JSON.stringify(definition.enum).length > MAX_ENUM_CHARS) {
    throw invalid(`${path}.enum`, `must not be longer than ${MAX_ENUM_CHARS} characters of JSON`)
  }
  if (definition.ref !== undefined) checkReference(store, bucket, definition, path, depth)
  if (depth >= MAX_NESTING && (definition.properties !== undefined || definition.items !== undefined)) {
    throw invalid(path, `is nested deeper than ${MAX_NESTING} levels`)
  }
  if (definition.properties !== undefined) {
    checkFields(
      store,
      bucket,
      definition.properties as Record<string, unknown>,
      `${path}.properties`,
      depth + 1
    )
  }
  if (definition.items !== undefined) checkField(store, bucket, definition.items, `${path}.items`, depth + 1)
  checkRange(definition, path)
}

function checkRange (field: FieldDefinition, path: string): void {
  if (field.min !== undefined && field.max !== undefined && field.min > field.max) {
    throw invalid(`${path}.min`, 'is greater than max')
  }
  if (field.minLength !== undefined && field.maxLength !== undefined && field.minLength > field.maxLength) {
    throw invalid(`${path}.minLength`, 'is greater than maxLength')
  }
}

/**
 * Refuses fields whose default or generated values the store would refuse at each insert, or take long to
 * check.
 * @throws `VALIDATION_ERROR` naming the field
 */
export function checkFilledIn (schema: SchemaDefinition, path: string): void {
  for (const [name, field] of Object.entries(schema)) checkFilledInField(field, `${path}.${name}`)
  if (!acceptsTogether(schema)) throw invalid(path, 'has defaults whose checking takes too long')
}

function checkFilledInField (field: FieldDefinition, path: string): void {
  if (field.required === true && field.enum?.some(value => accepts(field, { value })) === false) {
    throw invalid(`${path}.enum`, 'has no value that the field accepts')
  }
  const filledIn = field.generated !== undefined ? 'generated' : 'default'
  if (field[filledIn] != null && !accepts(field, {})) {
    throw invalid(`${path}.${filledIn}`, 'gives a value that the field does not accept')
  }
}

/** Returns whether the store accepts a record of this field and a key. */
function accepts (field: FieldDefinition, record: Record<string, unknown>): boolean {
  try {
    const schema = { id: { type: 'number', default: 0 }, value: field } as const
    new SchemaValidator('new', schema, 'id').prepareInsert(record, 1)
    return true
  } catch {
    return false
  }
}

/**
 * Returns whether all defaults with patterns can be matched in one record: the store bounds the total time.
 */
function acceptsTogether (schema: SchemaDefinition): boolean {
  const fields = Object.entries(schema).flatMap(([name, { type, pattern, default: text }]) =>
    pattern === undefined || text == null ? [] : [[name, { type, pattern, default: text }] as const])
  return accepts({ type: 'object', properties: Object.fromEntries(fields) }, {
    value: Object.fromEntries(fields.map(([name, { default: text }]) => [name, text]))
  })
}

function checkPattern (pattern: string, path: string): void {
  try {
    // V8 compiles a pattern when it is first used.
    RegExp(pattern).test('')
  } catch {
    throw invalid(path, 'is no regular expression')
  }
  if (!safeRegex(pattern)) throw invalid(path, 'nests repetitions, so matching it could block the server')
}

function checkReference (
  store: NoexStore,
  bucket: string,
  field: FieldDefinition,
  path: string,
  depth: number
): void {
  if (depth > 0) throw invalid(`${path}.ref`, 'is possible at the top level only')
  const target = field.ref as string
  if (target !== bucket && !store.hasBucket(target)) {
    throw invalid(`${path}.ref`, `names bucket "${target}", which does not exist`)
  }
  if (target === bucket && field.required === true) {
    throw invalid(`${path}.ref`, 'names its own bucket and is required, so there could be no first record')
  }
  if (field.onDelete === 'set_null' && field.required === true) {
    throw invalid(`${path}.onDelete`, 'cannot be "set_null" for a required field')
  }
}
