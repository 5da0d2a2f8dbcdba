import type { WhereFilter } from '@hamicek/noex-store'
import { narrowFilter } from './changing-many.js'
import type { Reach } from './reach.js'
import { referencesTo } from './references.js'
import { confine, outsideRows } from './row-filter.js'
import type { StoreAccess } from './store-access.js'
import { runEntry } from './transaction.js'

/**
 * Deletes a record, and does to the records that refer to it what their fields say. Where there may be some,
 * it takes a transaction: all of it happens or nothing, and the references are those of the records
 * themselves. noex-store's index of references is not told what transactions write. With `expectedVersion`,
 * deletes the record only when that is its `_version`.
 * @throws `CONFLICT` when a field with `onDelete: 'restrict'` refers to the record, and for another version,
 * `FORBIDDEN` when it is out of reach.
 */
export async function deleteRecord (
  access: StoreAccess, bucket: string, key: unknown, reach: Reach, expectedVersion?: number
): Promise<void> {
  const isGuarded = reach.rows('store.delete', bucket) !== undefined || expectedVersion !== undefined
  if (isGuarded || await isReferenced(access, bucket)) {
    await runEntry(access, { op: 'delete', bucket, key, expectedVersion }, reach)
    return
  }
  reach.ensure()
  await access.bucket(bucket).delete(key)
}

/** Deletes all records that match and are within reach, as `deleteRecord` does, and returns how many there were. */
export async function deleteRecords (access: StoreAccess, bucket: string, filter: WhereFilter, reach: Reach): Promise<number> {
  if (await isReferenced(access, bucket)) return await runEntry(access, { op: 'deleteMany', bucket, filter }, reach) as number
  const confined = confine(reach.rows('store.deleteMany', bucket), filter)
  const narrowed = await narrowFilter(access, bucket, confined, reach.work)
  reach.ensure()
  return await access.bucket(bucket).deleteMany(narrowed)
}

/**
 * Removes every record of a bucket, whatever refers to it. noex-store's own `clear` publishes no event, so
 * where nothing refers to the bucket the records are deleted, with events; elsewhere the watchers are told.
 * @throws `FORBIDDEN` when some records are out of reach: those within it can be deleted by a filter.
 */
export async function clearBucket (access: StoreAccess, bucket: string, reach: Reach): Promise<void> {
  if (reach.rows('store.clear', bucket) !== undefined) throw outsideRows(bucket)
  const isTarget = await isReferenced(access, bucket)
  reach.ensure()
  const handle = access.bucket(bucket)
  if (isTarget) {
    await handle.clear()
    access.announce({ type: 'reset', bucket })
  } else {
    await handle.deleteMany({})
  }
}

async function isReferenced (access: StoreAccess, bucket: string): Promise<boolean> {
  return (await referencesTo(access, bucket)).length > 0
}
