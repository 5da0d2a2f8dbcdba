import {
  MAX_NESTING, parseTtl, SchemaValidator,
  type BucketDefinition, type BucketSchemaUpdate, type FieldDefinition, type SchemaDefinition
} from '@hamicek/noex-store'
import safeRegex from 'safe-regex2'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { Count, Name } from '../protocol/fields.js'
import { firstProblem } from '../protocol/shape.js'
import { invalid, type NoexServerError } from '../protocol/errors.js'
import { didYouMean, nearestNames } from '../util/nearest.js'
import { metadata, refuseInherited } from './known-fields.js'
import type { NoexStore } from './noex-store.js'

/**
 * Characters of JSON of an `enum`: the store names all its values in each issue.
 * @limit `VALIDATION_ERROR`
 */
const MAX_ENUM_CHARS = 4_096

/**
 * Values of an `enum`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_ENUM_VALUES = 250

/**
 * Characters of the `pattern` of a field.
 * @limit `VALIDATION_ERROR`
 */
const MAX_FIELD_PATTERN_CHARS = 500

const Field = Compile(Type.Object({
  type: Type.Enum(['string', 'number', 'boolean', 'object', 'array', 'date']),
  required: Type.Optional(Type.Boolean()),
  default: Type.Optional(Type.Unknown()),
  generated: Type.Optional(Type.Enum(['uuid', 'cuid', 'autoincrement', 'timestamp'])),
  enum: Type.Optional(Type.Array(Type.Unknown(), { minItems: 1, maxItems: MAX_ENUM_VALUES })),
  format: Type.Optional(Type.Enum(['email', 'url', 'iso-date'])),
  min: Type.Optional(Type.Number()),
  max: Type.Optional(Type.Number()),
  minLength: Type.Optional(Count),
  maxLength: Type.Optional(Count),
  pattern: Type.Optional(Type.String({ maxLength: MAX_FIELD_PATTERN_CHARS })),
  unique: Type.Optional(Type.Boolean()),
  ref: Type.Optional(Name),
  onDelete: Type.Optional(Type.Enum(['restrict', 'cascade', 'set_null'])),
  properties: Type.Optional(Type.Object({})),
  items: Type.Optional(Type.Object({}))
}, { additionalProperties: false }))

const definitionShape = Type.Object({
  key: Name,
  schema: Type.Object({}),
  indexes: Type.Optional(Type.Array(Name)),
  etsType: Type.Optional(Type.Enum(['set', 'ordered_set', 'bag', 'duplicate_bag'])),
  persistent: Type.Optional(Type.Boolean()),
  ttl: Type.Optional(Type.Union([Type.Number(), Type.String()])),
  maxSize: Type.Optional(Type.Integer({ minimum: 1 })),
  maxRecords: Type.Optional(Type.Integer({ minimum: 1 })),
  maxBytes: Type.Optional(Type.Integer({ minimum: 1 }))
}, { additionalProperties: false })
const Definition = Compile(definitionShape)

const updateShape = Type.Object({
  addFields: Type.Optional(Type.Object({})),
  addIndexes: Type.Optional(Type.Array(Name)),
  ttl: Type.Optional(Type.Union([Type.Number(), Type.String(), Type.Null()]))
}, { additionalProperties: false })
const Update = Compile(updateShape)

/**
 * Checks the name of a new bucket. Control characters are refused: names stand in lines of logs.
 * @throws `VALIDATION_ERROR`
 */
export function checkBucketName (name: string): void {
  // eslint would read a literal control range as a slip.
  if (name === '__proto__' || [...name].some(char => char < ' ')) {
    throw invalid('name', 'must not be "__proto__" or hold control characters')
  }
}

/**
 * Checks a bucket definition completely, so that a client cannot make a bucket that takes no record.
 * PROTOCOL.md, "Bucket definitions".
 * @throws `VALIDATION_ERROR` naming the member.
 */
export function checkBucketDefinition (store: NoexStore, name: string, config: unknown): BucketDefinition {
  if (!Definition.Check(config)) throw firstProblem(Definition, config, 'config')
  const definition: Static<typeof definitionShape> = config
  const schema = definition.schema as Record<string, unknown>
  checkFields(store, name, schema, 'config.schema')
  if (!Object.hasOwn(schema, definition.key)) throw notInSchema('config.key', definition.key, schema)
  checkIndexes(definition.indexes, schema, 'config.indexes')
  if (definition.ttl !== undefined) checkTtl(definition.ttl, 'config.ttl')
  checkFilledIn(schema as SchemaDefinition, 'config.schema')
  return config as unknown as BucketDefinition
}

/**
 * Checks a schema update against the bucket it is for.
 * @throws `VALIDATION_ERROR` naming the member.
 */
export function checkBucketUpdate (
  store: NoexStore,
  name: string,
  current: BucketDefinition,
  updates: unknown
): BucketSchemaUpdate {
  if (!Update.Check(updates)) throw firstProblem(Update, updates, 'updates')
  const update: Static<typeof updateShape> = updates
  const added = (update.addFields ?? {}) as Record<string, unknown>
  checkFields(store, name, added, 'updates.addFields')
  for (const field of Object.keys(added)) {
    if (Object.hasOwn(current.schema, field)) throw invalid(`updates.addFields.${field}`, 'exists already')
  }
  checkIndexes(update.addIndexes, { ...current.schema, ...added }, 'updates.addIndexes')
  if (update.ttl !== undefined && update.ttl !== null) checkTtl(update.ttl, 'updates.ttl')
  checkFilledIn(added as SchemaDefinition, 'updates.addFields')
  return updates as unknown as BucketSchemaUpdate
}

function notInSchema (path: string, field: string, schema: object): NoexServerError {
  return invalid(
    path,
    `must be a field of the schema${didYouMean(nearestNames(field, Object.keys(schema))[0])}`
  )
}

function checkIndexes (indexes: readonly string[] | undefined, schema: object, path: string): void {
  indexes?.forEach((field, i) => {
    if (!Object.hasOwn(schema, field)) throw notInSchema(`${path}[${i}]`, field, schema)
  })
}

function checkTtl (ttl: number | string, path: string): void {
  try {
    if (Number.isFinite(parseTtl(ttl))) return
  } catch {}
  throw invalid(path, 'must be a positive number of milliseconds or a text such as "30s", "5m", "1h", "7d"')
}

function checkFields (
  store: NoexStore,
  bucket: string,
  schema: Record<string, unknown>,
  path: string,
  depth = 0
): void {
  for (const [name, field] of Object.entries(schema)) {
    refuseInherited(name, `${path}.${name}`)
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
 * Refuses fields whose own default, or every generated value, would make the store refuse the record, or busy
 * at each insert.
 */
function checkFilledIn (schema: SchemaDefinition, path: string): void {
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

/** Tries a field with the store's own means, as the only one of a record beside its key. */
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
 * Tells whether texts that fit each by itself do so in one record: the time to match all of them is bounded.
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
    // Compiled only when it is used.
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

/**
 * The buckets that the fields of a bucket definition, or of an update of one, refer to. Works on unchecked
 * input.
 */
export function referencedBuckets (config: unknown, member: 'schema' | 'addFields'): string[] {
  const fields: unknown = (config as Readonly<Record<string, unknown>> | null | undefined)?.[member]
  const refs = Object.values(fields ?? {}).map((field: { ref?: unknown } | null | undefined) => field?.ref)
  return [...new Set(refs.filter(ref => typeof ref === 'string'))]
}
