import type { BucketDefinition, StoreRecord } from '@hamicek/noex-store'
import { isNumbered, numberRecords } from './autoincrement.js'
import { hasCallbacks } from './callback-guard.js'
import { checkKey, isSurelyNew, keyTaken, prepareInsert } from './new-record.js'
import type { Reach } from './reach.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import { checkAddedReferences } from './references.js'
import type { StoreAccess } from './store-access.js'
import { runEntry } from './transaction.js'
import { checkMerged } from './merged-records.js'
import { checkTexts } from './value-guard.js'
import { UNITS_PER_WRITE } from './work.js'

/**
 * Inserts one record and refuses a primary key that is taken: noex-store's own `insert` would replace the record.
 * @throws `ALREADY_EXISTS` with `{ bucket, field, value }`, `VALIDATION_ERROR` for a missing or unusable key,
 * `FORBIDDEN` for a record out of reach.
 */
export async function insertRecord (access: StoreAccess, bucket: string, data: RecordInput, reach: Reach): Promise<StoreRecord> {
  if (reach.rows('store.insert', bucket) !== undefined) return await runEntry(access, { op: 'insert', bucket, data }, reach) as StoreRecord
  return await insertOne(access, bucket, data, reach)
}

async function insertOne (access: StoreAccess, bucket: string, data: RecordInput, reach: Reach): Promise<StoreRecord> {
  const definition = access.definition(bucket)
  const input = prepareInsert(access, bucket, definition, data)
  checkTexts(bucket, definition, [input])
  if (access.referencesAdded.size > 0) {
    await checkAddedReferences(access, bucket, data)
    reach.ensure()
  }
  if (isSurelyNew(definition, data)) return await access.bucket(bucket).insert(input)
  // The store checks keys in one step with the insert only for a batch.
  const [record] = await insertNew(access, bucket, definition, [input], reach)
  return record as StoreRecord
}

/** Inserts all records or none. Errors as `insertRecord`. */
export async function insertRecords (access: StoreAccess, bucket: string, data: readonly RecordInput[], reach: Reach): Promise<StoreRecord[]> {
  if (reach.rows('store.insertMany', bucket) !== undefined) return await runEntry(access, { op: 'insertMany', bucket, data }, reach) as StoreRecord[]
  const definition = access.definition(bucket)
  const inputs: Array<Record<string, unknown>> = []
  reach.work.take(data.length * UNITS_PER_WRITE)
  await reach.work.each(data, 8, item => { inputs.push(prepareInsert(access, bucket, definition, item)) })
  checkTexts(bucket, definition, inputs)
  for (const item of data) await checkAddedReferences(access, bucket, item)
  return await insertNew(access, bucket, definition, inputs, reach)
}

/**
 * Updates the record with this key or inserts a new one; with `expectedVersion`, only updates one of that
 * `_version`. Errors as `insertRecord`, but for a key that is taken, and `CONFLICT` for another version.
 */
export async function upsertRecord (
  access: StoreAccess, bucket: string, data: RecordInput, reach: Reach, expectedVersion?: number
): Promise<StoreRecord> {
  const definition = access.definition(bucket)
  // Which of its functions the store will call is decided by whether the record is there.
  const isEntry = reach.rows('store.upsert', bucket) !== undefined || expectedVersion !== undefined
  if (isEntry || hasCallbacks(bucket, definition)) {
    return await runEntry(access, { op: 'upsert', bucket, data, expectedVersion }, reach) as StoreRecord
  }
  // The store would look for no record and put the new one in the place of whatever has the key that it fills in.
  if (data[definition.key] === undefined) return await insertOne(access, bucket, data, reach)
  checkKey(bucket, definition, data)
  await checkAddedReferences(access, bucket, data)
  const handle = access.bucket(bucket)
  await checkMerged(bucket, definition, data, async () => [await handle.get(data[definition.key])])
  // A full bucket would lose its oldest record to an upsert that is then refused. Should somebody insert the key first, that is an update.
  if (definition.maxSize !== undefined && await handle.get(data[definition.key]) === undefined) {
    const input = prepareInsert(access, bucket, definition, data)
    reach.ensure()
    const [record] = await handle.insertMany([input]).catch((error: unknown) => {
      if (takenKeyIn(error) === undefined) throw error
      return []
    })
    if (record !== undefined) return record
  }
  reach.ensure()
  // Not shaped: where the record exists, an undefined member would erase what is stored.
  return await handle.upsert(withoutExpiry(data))
}

/** The texts with which the store refuses a key that is taken; a test pins them. */
const takenKey = /^(?:Record with|Duplicate) key "(.*)" (?:already exists in|in batch for) bucket/s

/** The text of the key which the store says is taken. */
function takenKeyIn (error: unknown): string | undefined {
  return error instanceof Error ? takenKey.exec(error.message)?.[1] : undefined
}

/** Inserts all records, or none when a key is taken. */
async function insertNew (access: StoreAccess, bucket: string, definition: BucketDefinition, inputs: Array<Record<string, unknown>>, reach: Reach): Promise<StoreRecord[]> {
  reach.ensure()
  try {
    return await access.bucket(bucket).insertMany(inputs)
  } catch (error) {
    const text = takenKeyIn(error)
    if (text === undefined) throw error
    if (isNumbered(definition) && inputs.some(input => input[definition.key] === undefined)) {
      return await insertNew(access, bucket, definition, await numberRecords(access, bucket, definition, inputs), reach)
    }
    const supplied = inputs.map(input => input[definition.key]).find(key => String(key) === text)
    // What the store has filled in is a timestamp or a default.
    const value = supplied ?? (definition.schema[definition.key]?.generated === undefined ? text : Number(text))
    throw keyTaken(bucket, definition.key, value)
  }
}
