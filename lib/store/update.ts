import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { withoutExpiry, type RecordInput } from './record-input.js'
import { checkAddedReferences } from './references.js'
import type { StoreAccess } from './store-access.js'
import { checkTexts, matchesTexts } from './value-guard.js'

/**
 * Updates one record.
 * @throws `NOT_FOUND`, `VALIDATION_ERROR`, `ALREADY_EXISTS`
 */
export async function updateRecord (access: StoreAccess, bucket: string, key: unknown, data: RecordInput): Promise<StoreRecord> {
  await checkAddedReferences(access, bucket, data)
  await checkMerged(access, bucket, data, async () => [await access.bucket(bucket).get(key)])
  return await access.bucket(bucket).update(key, withoutExpiry(data))
}

/** Updates all records that match, or none, and returns how many there were. */
export async function updateRecords (access: StoreAccess, bucket: string, filter: WhereFilter, data: RecordInput): Promise<number> {
  await checkAddedReferences(access, bucket, data)
  await checkMerged(access, bucket, data, async () => await access.bucket(bucket).where(filter))
  return await access.bucket(bucket).updateMany(filter, withoutExpiry(data))
}

/** The store checks whole records after each update, so their stored texts count too. */
export async function checkMerged (access: StoreAccess, bucket: string, data: RecordInput, stored: () => Promise<ReadonlyArray<StoreRecord | undefined>>): Promise<void> {
  const definition = access.definition(bucket)
  if (!matchesTexts(definition)) return
  checkTexts(definition, (await stored()).map(record => ({ ...record, ...data })))
}
