import {
  parseTtl, type BucketDefinition, type BucketSchemaUpdate, type SchemaDefinition
} from '@hamicek/noex-store'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { invalid, type NoexServerError } from '../protocol/errors.js'
import { Name } from '../protocol/fields.js'
import { firstProblem } from '../protocol/shape.js'
import { didYouMean, nearestNames } from '../util/nearest.js'
import { checkFields, checkFilledIn } from './field-definition.js'
import type { NoexStore } from './noex-store.js'

const definitionShape = Type.Object({
  key: Name,
  schema: Type.Object({}),
  indexes: Type.Optional(Type.Array(Name)),
  etsType: Type.Optional(Type.Enum(['set', 'ordered_set', 'bag', 'duplicate_bag'])),
  persistent: Type.Optional(Type.Boolean()),
  ephemeral: Type.Optional(Type.Boolean()),
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
 * Checks the name of a new bucket. Control characters are refused because names appear in logs.
 * @throws `VALIDATION_ERROR`
 */
export function checkBucketName (name: string): void {
  // A range of control characters in a pattern would be an error for eslint.
  if (name === '__proto__' || [...name].some(char => char < ' ')) {
    throw invalid('name', 'must not be "__proto__" or hold control characters')
  }
}

/**
 * Checks a bucket definition completely, so that a client cannot define a bucket that refuses every record.
 * PROTOCOL.md, "Bucket definitions".
 * @throws `VALIDATION_ERROR` naming the property
 */
export function checkBucketDefinition (store: NoexStore, name: string, config: unknown): BucketDefinition {
  if (!Definition.Check(config)) throw firstProblem(Definition, config, 'config')
  const definition: Static<typeof definitionShape> = config
  const schema = definition.schema as Record<string, unknown>
  checkFields(store, name, schema, 'config.schema')
  if (!Object.hasOwn(schema, definition.key)) throw notInSchema('config.key', definition.key, schema)
  checkIndexes(definition.indexes, schema, 'config.indexes')
  if (definition.ttl !== undefined) checkTtl(definition.ttl, 'config.ttl')
  if (definition.ephemeral === true && definition.persistent === true) {
    throw invalid('config.persistent', 'must not be true with config.ephemeral: its records end')
  }
  checkFilledIn(schema as SchemaDefinition, 'config.schema')
  return config as unknown as BucketDefinition
}

/**
 * Checks a schema update against the bucket that it changes.
 * @throws `VALIDATION_ERROR` naming the property
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

/**
 * Returns the buckets to which the fields of a bucket definition or update refer. Accepts unchecked input.
 */
export function referencedBuckets (config: unknown, member: 'schema' | 'addFields'): string[] {
  const fields: unknown = (config as Readonly<Record<string, unknown>> | null | undefined)?.[member]
  const refs = Object.values(fields ?? {}).map((field: { ref?: unknown } | null | undefined) => field?.ref)
  return [...new Set(refs.filter(ref => typeof ref === 'string'))]
}
