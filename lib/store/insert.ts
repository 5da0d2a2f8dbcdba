import type { BucketDefinition, StoreRecord } from '@hamicek/noex-store'
import { NoexServerError } from '../errors.js'
import { isNumbered, numberRecords } from './autoincrement.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import { checkAddedReferences } from './references.js'
import type { StoreAccess } from './store-access.js'
import { checkMerged } from './update.js'
import { checkTexts } from './value-guard.js'

/**
 * Inserts one record and refuses a primary key that is taken: noex-store's own `insert` would replace the record.
 * @throws `ALREADY_EXISTS` with `{ bucket, field, value }`, `VALIDATION_ERROR` for a missing or unusable key.
 */
export async function insertRecord (access: StoreAccess, bucket: string, data: RecordInput): Promise<StoreRecord> {
  const definition = access.definition(bucket)
  const input = prepareInsert(access, bucket, definition, data)
  checkTexts(definition, [input])
  if (access.referencesAdded.size > 0) await checkAddedReferences(access, bucket, data)
  const handle = access.bucket(bucket)
  if (isSurelyNew(definition, data)) return await handle.insert(input)
  // The store checks keys in one step with the insert only for a batch.
  const [record] = await insertNew(access, bucket, definition, [input])
  return record as StoreRecord
}

/** Inserts all records or none. Errors as `insertRecord`. */
export async function insertRecords (access: StoreAccess, bucket: string, data: readonly RecordInput[]): Promise<StoreRecord[]> {
  const definition = access.definition(bucket)
  const inputs = data.map(item => prepareInsert(access, bucket, definition, item))
  checkTexts(definition, inputs)
  for (const item of data) await checkAddedReferences(access, bucket, item)
  return await insertNew(access, bucket, definition, inputs)
}

/** Updates the record with this key or inserts a new one. */
export async function upsertRecord (access: StoreAccess, bucket: string, data: RecordInput): Promise<StoreRecord> {
  const definition = access.definition(bucket)
  // The store would look for no record and put the new one in the place of whatever has the key that it fills in.
  if (data[definition.key] === undefined) return await insertRecord(access, bucket, data)
  checkKey(definition, data)
  await checkAddedReferences(access, bucket, data)
  const handle = access.bucket(bucket)
  await checkMerged(access, bucket, data, async () => [await handle.get(data[definition.key])])
  // A full bucket would lose its oldest record to an upsert that is then refused. Should somebody insert the key first, that is an update.
  if (definition.maxSize !== undefined && await handle.get(data[definition.key]) === undefined) {
    const input = prepareInsert(access, bucket, definition, data)
    const [record] = await handle.insertMany([input]).catch((error: unknown) => {
      if (takenKeyIn(error) === undefined) throw error
      return []
    })
    if (record !== undefined) return record
  }
  // Not shaped: where the record exists, an undefined member would erase what is stored.
  return await handle.upsert(withoutExpiry(data))
}

/** Checks the key of a new record and lays the record out as the store will store it. */
export function prepareInsert (access: StoreAccess, bucket: string, definition: BucketDefinition, data: RecordInput): Record<string, unknown> {
  checkKey(definition, data)
  return access.templates.shape(bucket, definition, withoutExpiry(data))
}

/** Random keys do not collide; every other key may. A full bucket would lose its oldest record to an insert that is then refused. */
function isSurelyNew (definition: BucketDefinition, data: RecordInput): boolean {
  if (data[definition.key] !== undefined || definition.maxSize !== undefined) return false
  const generated = definition.schema[definition.key]?.generated
  return generated === 'uuid' || generated === 'cuid'
}

/** A record without a key, or with an object as its key, could never be read again. */
function checkKey (definition: BucketDefinition, data: RecordInput): void {
  const field = definition.schema[definition.key]
  const value = data[definition.key] === undefined ? field?.generated ?? field?.default : data[definition.key]
  if (value != null && typeof value !== 'object') return
  throw new NoexServerError('VALIDATION_ERROR', `The record has no usable primary key "${definition.key}"`,
    [{ field: definition.key, message: 'Primary key must be a text, a number or a boolean', code: value == null ? 'required' : 'type' }])
}

/** The texts with which the store refuses a key that is taken; a test pins them. */
const takenKey = /^(?:Record with|Duplicate) key "(.*)" (?:already exists in|in batch for) bucket/s

/** The text of the key which the store says is taken. */
function takenKeyIn (error: unknown): string | undefined {
  return error instanceof Error ? takenKey.exec(error.message)?.[1] : undefined
}

/** Inserts all records, or none when a key is taken. */
async function insertNew (access: StoreAccess, bucket: string, definition: BucketDefinition, inputs: Array<Record<string, unknown>>): Promise<StoreRecord[]> {
  try {
    return await access.bucket(bucket).insertMany(inputs)
  } catch (error) {
    const text = takenKeyIn(error)
    if (text === undefined) throw error
    if (isNumbered(definition) && inputs.some(input => input[definition.key] === undefined)) {
      return await insertNew(access, bucket, definition, await numberRecords(access, bucket, definition, inputs))
    }
    const supplied = inputs.map(input => input[definition.key]).find(key => String(key) === text)
    // What the store has filled in is a timestamp or a default.
    const value = supplied ?? (definition.schema[definition.key]?.generated === undefined ? text : Number(text))
    throw new NoexServerError('ALREADY_EXISTS', `Bucket "${bucket}" has another record with this primary key`,
      { bucket, field: definition.key, value })
  }
}
