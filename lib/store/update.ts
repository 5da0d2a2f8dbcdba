import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { narrowFilter } from './changing-many.js'
import type { Reach } from './reach.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import { checkAddedReferences } from './references.js'
import { confine, mayLeave } from './row-filter.js'
import type { StoreAccess } from './store-access.js'
import { runEntry } from './transaction.js'
import { checkMerged } from './merged-records.js'

/**
 * Updates one record; with `expectedVersion`, only when that is its `_version`.
 * @throws `NOT_FOUND`, `VALIDATION_ERROR`, `ALREADY_EXISTS`, `CONFLICT` for another version, `FORBIDDEN` for
 * a record that is out of reach, or would be then.
 */
export async function updateRecord (
  access: StoreAccess, bucket: string, key: unknown, data: RecordInput, reach: Reach, expectedVersion?: number
): Promise<StoreRecord> {
  if (reach.rows('store.update', bucket) !== undefined || expectedVersion !== undefined) {
    return await runEntry(access, { op: 'update', bucket, key, data, expectedVersion }, reach) as StoreRecord
  }
  await checkAddedReferences(access, bucket, data)
  const stored = async () => [await access.bucket(bucket).get(key)]
  await checkMerged(bucket, access.definition(bucket), data, stored)
  reach.ensure()
  return await access.bucket(bucket).update(key, withoutExpiry(data))
}

/**
 * Updates all records that match and are within reach, or none, and returns how many there were.
 * Errors as `updateRecord`, but for a missing record.
 */
export async function updateRecords (access: StoreAccess, bucket: string, filter: WhereFilter, data: RecordInput, reach: Reach): Promise<number> {
  const rows = reach.rows('store.updateMany', bucket)
  if (rows !== undefined && mayLeave(rows, data)) return await runEntry(access, { op: 'updateMany', bucket, filter, data }, reach) as number
  const confined = confine(rows, filter)
  await checkAddedReferences(access, bucket, data)
  const matching = async (): Promise<StoreRecord[]> =>
    await access.read(bucket, undefined, reach.work).where(confined)
  await checkMerged(bucket, access.definition(bucket), data, matching)
  const narrowed = await narrowFilter(access, bucket, confined, reach.work)
  reach.ensure()
  return await access.bucket(bucket).updateMany(narrowed, withoutExpiry(data))
}
