import { DefinitionError } from '../errors.js'
import type { BucketDefinition, FieldDefinition } from '../types/schema.js'

const bucketOptions = namesOf<BucketDefinition>({
  key: true,
  schema: true,
  indexes: true,
  etsType: true,
  persistent: true,
  ephemeral: true,
  ttl: true,
  maxSize: true,
  maxRecords: true,
  maxBytes: true,
  validate: true
})
const fieldOptions = namesOf<FieldDefinition>({
  type: true,
  required: true,
  default: true,
  generated: true,
  enum: true,
  format: true,
  min: true,
  max: true,
  minLength: true,
  maxLength: true,
  pattern: true,
  ref: true,
  onDelete: true,
  unique: true,
  properties: true,
  items: true,
  validate: true
})

/**
 * Refuses options of a bucket or its fields that do not exist: a misspelt one would have no effect.
 * @throws DefinitionError naming the option, and those that there are
 */
export function checkOptionNames (bucket: string, definition: BucketDefinition): void {
  checkNames(`Bucket "${bucket}"`, definition, bucketOptions)
  for (const [name, field] of Object.entries(definition.schema)) checkField(bucket, name, field)
}

function checkField (bucket: string, path: string, field: FieldDefinition): void {
  checkNames(`Field "${path}" of bucket "${bucket}"`, field, fieldOptions)
  if (field.items !== undefined) checkField(bucket, `${path}[]`, field.items)
  for (const [name, property] of Object.entries(field.properties ?? {})) {
    checkField(bucket, `${path}.${name}`, property)
  }
}

function checkNames (subject: string, options: object, known: ReadonlySet<string>): void {
  const unknown = Object.keys(options).find(name => !known.has(name))
  if (unknown === undefined) return
  throw new DefinitionError(`${subject} has no option "${unknown}"; there are: ${[...known].join(', ')}`)
}

/** The names of all members of a type: one that is missing or too much does not compile. */
function namesOf<T> (names: Readonly<Record<keyof T, true>>): ReadonlySet<string> {
  return new Set(Object.keys(names))
}
