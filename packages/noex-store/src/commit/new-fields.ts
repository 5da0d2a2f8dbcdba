import type { Bucket } from '../bucket/bucket.js'
import { DefinitionError, isStoreError, type ValidationError } from '../errors.js'
import { isSameData } from '../schema/definition-data.js'
import { compileValidator, type Validator } from '../schema/validator.js'
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
  const fields = Object.fromEntries(changed)
  const validate = validatorOf(bucket, fields)
  const references = bucket.schema.references.filter(({ field }) => Object.hasOwn(fields, field))
  return record => {
    try {
      validate(record)
      checkInput(buckets, bucket, record, now, references)
    } catch (error) {
      throw refusalOf(bucket, record[bucket.schema.key], error)
    }
  }
}

/**
 * Makes the check of records that were imported against the first definition of their bucket: keys, types and
 * constraints. References are taken as they are, functions are asked when a record is written next. With
 * `hasSameKeys` each record must have the key that it was imported with. The check throws DefinitionError,
 * which names the key of the record and the remedy.
 */
export function checkOfImported (
  former: Bucket, bucket: Bucket, hasSameKeys: boolean
): (record: StoreRecord) => void {
  const { key, definition } = bucket.schema
  const validate = validatorOf(bucket, definition.schema)
  return record => {
    try {
      validate(record)
      const isKept = !hasSameKeys || bucket.keyIn(record) === bucket.keyOf(former.keyIn(record))
      if (isKept && record[key] !== undefined && record[key] !== null) return
      throw new DefinitionError(`field "${key}" has not the key that it was saved under`)
    } catch (error) {
      throw refusalOf(bucket, record[former.schema.key], error,
        '. Define the bucket as its records are, or change them as well, by rebuildBucket')
    }
  }
}

function validatorOf (bucket: Bucket, fields: SchemaDefinition): Validator {
  const schema = Object.entries(fields).map(([name, field]) => [name, withoutValidators(field)] as const)
  return compileValidator(bucket.name, { schema: Object.fromEntries(schema) })
}

/** The error for a record that does not fit; another error than the store's stays as it is. */
function refusalOf (bucket: Bucket, key: unknown, error: unknown, remedy = ''): unknown {
  if (!isStoreError(error)) return error
  return new DefinitionError(
    `Bucket "${bucket.name}" cannot take this definition: its record with key ` +
    `"${String(key)}" does not fit: ${reasonOf(error)}${remedy}`
  )
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
