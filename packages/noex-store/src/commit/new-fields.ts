import type { Bucket } from '../bucket/bucket.js'
import { DefinitionError, isStoreError, type ValidationError } from '../errors.js'
import { isSameData } from '../schema/definition-data.js'
import { compileValidator } from '../schema/validator.js'
import type { StoreRecord } from '../types/record.js'
import type { FieldDefinition, SchemaDefinition } from '../types/schema.js'
import { checkInput, type Buckets } from './references.js'

/**
 * Makes the check of records that are there already against the fields in which two definitions of their
 * bucket differ: types, constraints and references. Functions are asked when a record is written next.
 * The check throws DefinitionError, which names the key of the record.
 */
export function checkOfNewFields (
  former: Bucket, bucket: Bucket, buckets: Buckets, now: number
): (record: StoreRecord) => void {
  const before = former.schema.definition.schema
  const changed = Object.entries(bucket.schema.definition.schema)
    .filter(([name, field]) => !Object.hasOwn(before, name) || !isSameData(field, before[name]))
  if (changed.length === 0) return () => {}
  const schema: SchemaDefinition = Object.fromEntries(
    changed.map(([name, field]) => [name, withoutValidators(field)])
  )
  const validate = compileValidator(bucket.name, { schema })
  const references = bucket.schema.references.filter(({ field }) => Object.hasOwn(schema, field))
  return record => {
    try {
      validate(record)
      checkInput(buckets, bucket, record, now, references)
    } catch (error) {
      if (!isStoreError(error)) throw error
      const key = String(record[bucket.schema.key])
      throw new DefinitionError(
        `Bucket "${bucket.name}" cannot take this definition: its record with key "${key}" does not fit: ` +
        reasonOf(error)
      )
    }
  }
}

function reasonOf (error: Error): string {
  const [issue] = (error as Partial<ValidationError>).issues ?? []
  return issue === undefined ? error.message : `field "${issue.field}": ${issue.message}`
}

/** Leaves out the functions of a field, at every level. */
function withoutValidators ({ validate, items, properties, ...field }: FieldDefinition): FieldDefinition {
  return {
    ...field,
    ...(items !== undefined && { items: withoutValidators(items) }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, withoutValidators(property)])
      )
    })
  }
}
