import type { WhereFilter } from '@hamicek/noex-store'
import type { StoreAccess } from './store-access.js'
import { referencesTo } from './references.js'
import { runTransaction, type TransactionEntry } from './transaction.js'

/** Tries that a delete has when another writer is faster. */
const MAX_TRIES = 5

/**
 * Deletes a record, and does to the records that refer to it what their fields say. Where there may be some,
 * it takes a transaction: all of it happens or nothing, and the references are those of the records
 * themselves. noex-store's index of references is not told what transactions write.
 * @throws `CONFLICT` when a field with `onDelete: 'restrict'` refers to the record.
 */
export async function deleteRecord (access: StoreAccess, bucket: string, key: unknown): Promise<void> {
  const handle = access.bucket(bucket)
  if (await isReferenced(access, bucket)) await transact(access, { op: 'delete', bucket, key })
  else await handle.delete(key)
}

/** Deletes all records that match, as `deleteRecord` does, and returns how many matched. */
export async function deleteRecords (access: StoreAccess, bucket: string, filter: WhereFilter): Promise<number> {
  const handle = access.bucket(bucket)
  if (await isReferenced(access, bucket)) return await transact(access, { op: 'deleteMany', bucket, filter }) as number
  return await handle.deleteMany(filter)
}

/**
 * Removes every record of a bucket, whatever refers to it. noex-store's own `clear` publishes no event, so
 * where nothing refers to the bucket the records are deleted, with events; elsewhere the watchers are told.
 */
export async function clearBucket (access: StoreAccess, bucket: string): Promise<void> {
  const handle = access.bucket(bucket)
  if (await isReferenced(access, bucket)) {
    await handle.clear()
    access.announce({ type: 'reset', bucket })
  } else {
    await handle.deleteMany({})
  }
}

async function isReferenced (access: StoreAccess, bucket: string): Promise<boolean> {
  return (await referencesTo(access, bucket)).length > 0
}

async function transact (access: StoreAccess, entry: TransactionEntry): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    try {
      return (await runTransaction(access, [entry]))[0]
    } catch (error) {
      if (tries === MAX_TRIES || !(error instanceof Error) || error.name !== 'TransactionConflictError') throw error
    }
  }
}
