import type { BucketDefinition, TransactionBucketHandle } from '@hamicek/noex-store'
import { NoexServerError, recordInvalid } from '../errors.js'
import { freeNumber } from './autoincrement.js'
import { guardInsert } from './callback-guard.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import type { StoreAccess } from './store-access.js'

/**
 * Checks the key of a new record and lays the record out as the store will store it.
 * @throws `VALIDATION_ERROR` for a missing or unusable key
 */
export function prepareInsert (access: StoreAccess, bucket: string, definition: BucketDefinition, data: RecordInput): Record<string, unknown> {
  const input = guardInsert(bucket, definition, withoutExpiry(data))
  checkKey(bucket, definition, input)
  return access.templates.shape(bucket, definition, input)
}

/** A record without a key, or with an object as its key, could never be read again. Throws `VALIDATION_ERROR`. */
export function checkKey (bucket: string, definition: BucketDefinition, data: RecordInput): void {
  const field = definition.schema[definition.key]
  const value = data[definition.key] === undefined ? field?.generated ?? field?.default : data[definition.key]
  if (value != null && typeof value !== 'object') return
  const message = 'Primary key must be a text, a number or a boolean'
  throw recordInvalid(bucket, [{ field: definition.key, message, code: value == null ? 'required' : 'type' }])
}

/** Random keys do not collide; every other key may. A full bucket would lose its oldest record to an insert that is then refused. */
export function isSurelyNew (definition: BucketDefinition, data: RecordInput): boolean {
  if (data[definition.key] !== undefined || definition.maxSize !== undefined) return false
  const generated = definition.schema[definition.key]?.generated
  return generated === 'uuid' || generated === 'cuid'
}

/** The key that the store would give a new record, unless it is random: in a transaction the store lets one new record replace another. */
export async function newKey (access: StoreAccess, bucket: TransactionBucketHandle, definition: BucketDefinition): Promise<unknown> {
  const field = definition.schema[definition.key]
  switch (field?.generated) {
    case 'autoincrement': return await freeNumber(access, bucket.name, bucket.autoincrementCounter, async number => await bucket.get(number) !== undefined)
    case 'timestamp': return Date.now()
    case undefined: return typeof field?.default === 'function' ? field.default() : field?.default
    default: return undefined
  }
}

/** Builds the refusal of a new record whose primary key another record has. */
export function keyTaken (bucket: string, field: string, value: unknown): NoexServerError {
  return new NoexServerError(
    'ALREADY_EXISTS',
    `Bucket "${bucket}" has another record with this primary key, "${field}"`,
    { bucket, field, value }
  )
}
