import { DefinitionError } from '../errors.js'
import type { BucketDefinition, FieldDefinition, FieldType, OnDeleteAction } from '../types/schema.js'
import { functionPathsOf } from './definition-data.js'
import { frozenDefinition } from './frozen.js'
import { instantOf } from './instant.js'
import { matchingPower } from './pattern-power.js'
import { MAX_NESTING, compileValidator, type Validator } from './validator.js'
import { parseTtl } from './ttl.js'
import { isObject } from '../util/value-kinds.js'

/**
 * Characters of the name of a bucket.
 * @limit `VALIDATION_ERROR`
 */
const MAX_NAME = 1_000
/** Members that the store writes into every record. */
const METADATA: ReadonlySet<string> = new Set(['_version', '_createdAt', '_updatedAt', '_expiresAt'])
/** Types that a key field may have: values of others are equal to themselves only. */
const KEY_TYPES: ReadonlySet<FieldType> = new Set(['string', 'number', 'boolean', 'date'])
const FIELD_TYPES: ReadonlySet<unknown> = new Set(['string', 'number', 'boolean', 'object', 'array', 'date'])

/** A field whose values are keys of another bucket. */
export interface Reference {
  readonly field: string
  readonly target: string
  readonly onDelete: OnDeleteAction
}

/** Makes values that are equal in the eyes of the store the same: the instants of a date field. */
export type Normalize = (value: unknown) => unknown

/** A bucket definition, checked and compiled once. */
export interface BucketSchema {
  /** A frozen copy of what was given. */
  readonly definition: BucketDefinition
  readonly key: string
  readonly validate: Validator
  /** Whether storing a record runs functions of the definition. */
  readonly hasFunctions: boolean
  /** Whether checking one record may take as long as many others: records are then not checked at once. */
  readonly isSlow: boolean
  /** Paths of the functions in the definition. */
  readonly functionPaths: readonly string[]
  /** Fields that an update leaves as they are: the key, generated fields, metadata. */
  readonly fixed: ReadonlySet<string>
  /** Indexed fields, declared ones first, those of references last. */
  readonly indexes: ReadonlyArray<{
    readonly field: string, readonly isUnique: boolean, readonly isDeclared: boolean
  }>
  readonly references: readonly Reference[]
  /** Lifetime of a record in milliseconds. */
  readonly ttlMs: number | undefined
  readonly isOrdered: boolean
  /** Whether a field is numbered by `autoincrement`. */
  readonly isNumbered: boolean
  /** How values of a field are made comparable; `undefined` for all but dates. */
  normalizeOf (field: string): Normalize | undefined
  typeOf (field: string): FieldType | undefined
}

/**
 * Checks a definition and compiles it.
 * @throws DefinitionError, or Error with the texts that programs know
 */
export function compileSchema (name: string, given: BucketDefinition): BucketSchema {
  checkName(name)
  if (!isObject(given) || !isObject(given.schema)) {
    throw new DefinitionError(
      `The definition of bucket "${name}" must be an object with the members key and schema`
    )
  }
  const definition = frozenDefinition(given) as BucketDefinition
  const { key, schema } = definition
  if (!Object.hasOwn(schema, key)) {
    throw new DefinitionError(`Key field "${key}" does not exist in schema for bucket "${name}"`)
  }
  if (METADATA.has(key)) {
    throw new DefinitionError(
      `Key field "${key}" of bucket "${name}" is a member that the store writes itself`
    )
  }
  for (const index of definition.indexes ?? []) {
    if (!Object.hasOwn(schema, index)) {
      throw new DefinitionError(`Index field "${index}" does not exist in schema for bucket "${name}"`)
    }
  }
  for (const [field, options] of Object.entries(schema)) checkField(name, field, options, 0)
  const keyType = (schema[key] as FieldDefinition).type
  if (!KEY_TYPES.has(keyType)) {
    throw new DefinitionError(`Key field "${key}" of bucket "${name}" has type "${keyType}"; ` +
      `a key must be of type ${[...KEY_TYPES].join(', ')}`)
  }
  for (
    const limit of ['maxSize', 'maxRecords', 'maxBytes'] as const
  ) checkLimit(name, limit, definition[limit])
  checkEphemeral(name, definition)
  const references = referencesOf(name, definition)
  const functionPaths = functionPathsOf(definition)
  const dates = new Set(
    Object.keys(schema).filter(field => (schema[field] as FieldDefinition).type === 'date')
  )
  return {
    definition,
    key,
    validate: compileChecked(name, definition),
    hasFunctions: functionPaths.length > 0,
    functionPaths,
    isSlow: Object.values(schema).some(hasSlowPattern),
    fixed: new Set(
      [
        key, ...Object.keys(schema).filter(field => schema[field]?.generated !== undefined), '_version',
        '_createdAt', '_updatedAt'
      ]
    ),
    indexes: indexesOf(definition, references),
    references,
    ttlMs: definition.ttl === undefined ? undefined : parseTtl(definition.ttl),
    isNumbered: Object.values(schema).some(({ generated }) => generated === 'autoincrement'),
    isOrdered: definition.etsType === 'ordered_set',
    normalizeOf: field => dates.has(field) ? instantOf : undefined,
    typeOf: field => Object.hasOwn(schema, field) ? schema[field]?.type : undefined
  }
}

function checkEphemeral (bucket: string, { ephemeral, persistent }: BucketDefinition): void {
  if (ephemeral !== undefined && typeof ephemeral !== 'boolean') {
    throw new DefinitionError(`ephemeral of bucket "${bucket}" must be true or false`)
  }
  if (ephemeral === true && persistent === true) {
    throw new DefinitionError(
      `Bucket "${bucket}" is ephemeral, so that its records end with the process: it cannot be persistent`
    )
  }
}

function checkName (name: unknown): void {
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME) {
    throw new DefinitionError(`The name of a bucket must be a text of 1 to ${MAX_NAME} characters`)
  }
}

function checkField (bucket: string, path: string, field: unknown, depth: number): void {
  const known = isObject(field) ? field as unknown as FieldDefinition : undefined
  if (known === undefined || !FIELD_TYPES.has(known.type)) {
    throw new DefinitionError(
      `Field "${path}" of bucket "${bucket}" has no type; it must be one of ${[...FIELD_TYPES].join(', ')}`
    )
  }
  if (depth >= MAX_NESTING) return
  for (
    const [name, property] of Object.entries(known.properties ?? {})
  ) checkField(bucket, `${path}.${name}`, property, depth + 1)
  if (known.items !== undefined) checkField(bucket, `${path}[]`, known.items, depth + 1)
}

/** Whether the time of matching a text grows faster than its length. */
function hasSlowPattern ({ pattern, items, properties = {} }: FieldDefinition): boolean {
  return (pattern !== undefined && matchingPower(pattern) > 1) ||
    (items !== undefined && hasSlowPattern(items)) || Object.values(properties).some(hasSlowPattern)
}

function checkLimit (bucket: string, name: string, limit: unknown): void {
  if (limit === undefined || (Number.isInteger(limit) && (limit as number) >= 1)) return
  throw new DefinitionError(`${name} of bucket "${bucket}" must be a positive integer, got ${String(limit)}`)
}

function compileChecked (name: string, definition: BucketDefinition): Validator {
  try {
    return compileValidator(name, definition)
  } catch (error) {
    throw new DefinitionError(`The schema of bucket "${name}" has a bad pattern: ${(error as Error).message}`)
  }
}

function referencesOf (name: string, { schema }: BucketDefinition): Reference[] {
  return Object.entries(schema).flatMap(([field, { ref, onDelete = 'restrict', required }]) => {
    if (ref === undefined) return []
    if (onDelete === 'set_null' && required === true) {
      throw new DefinitionError(
        `Invalid schema for bucket "${name}": field "${field}" has onDelete "set_null" but is required`
      )
    }
    return [{ field, target: ref, onDelete }]
  })
}

function indexesOf (
  { schema, indexes = [] }: BucketDefinition, references: readonly Reference[]
): BucketSchema['indexes'] {
  const unique = Object.keys(schema).filter(field => schema[field]?.unique === true)
  const declared = new Set([...indexes, ...unique])
  const fields = new Set([...declared, ...references.map(({ field }) => field)])
  return [...fields].map(
    field => ({ field, isUnique: schema[field]?.unique === true, isDeclared: declared.has(field) })
  )
}
