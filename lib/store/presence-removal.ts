import { isStoreError, type TransactionContext } from '@hamicek/noex-store'
import type { Presence, PresentRecord } from './presence.js'
import { repeatConflicts, transact } from './repeat-conflicts.js'
import type { SharedStore } from './shared-store.js'

/** How far the removal of a presence has come. */
export interface Removal {
  /** Number of records that were removed, by bucket. */
  readonly removed: ReadonlyMap<string, number>
  /** That of the last commit; `undefined` where there was nothing to remove. */
  readonly revision: number | undefined
  /** The first record that others hold by a reference of `restrict`. */
  readonly held: PresentRecord | undefined
}

/**
 * Removes the records of a presence in one commit, with what their references say: those that are still as
 * its connection has written them. Where others hold some, the rest is removed in as many commits as it
 * takes. Resolves when all is committed, and may still be taken back.
 * @throws the error of the store that takes no writes
 */
export async function removePresence (sharedStore: SharedStore, presence: Presence): Promise<Removal> {
  const removed = new Map<string, number>()
  let revision: number | undefined
  let held: PresentRecord | undefined
  const waiting = [presence.list()]
  for (let records = waiting.pop(); records !== undefined; records = waiting.pop()) {
    try {
      const done = await removeTogether(sharedStore, records, presence.user)
      for (const { bucket } of done.removed) removed.set(bucket, (removed.get(bucket) ?? 0) + 1)
      if (done.removed.length > 0) revision = done.revision
    } catch (error) {
      if (!isStoreError(error) || error.code !== 'REFERENCE_HELD') throw error
      if (records.length === 1) held ??= records[0]
      else waiting.push(records.slice(0, records.length >> 1), records.slice(records.length >> 1))
    }
  }
  return { removed, revision, held }
}

/** Removes records in one commit; resolves with those that were there, and the revision of the commit. */
async function removeTogether (
  sharedStore: SharedStore, records: readonly PresentRecord[], user: string | undefined
): Promise<{ readonly removed: readonly PresentRecord[], readonly revision: number }> {
  let revision = 0
  const removed = await repeatConflicts(sharedStore, async committing => await transact(
    sharedStore, async tx => await removeIn(tx, sharedStore, records),
    {
      ...user !== undefined && { user },
      until: 'committed',
      beforeCommit () {
        committing()
        revision = sharedStore.store.revision + 1
      }
    }
  ))
  return { removed, revision }
}

async function removeIn (
  tx: TransactionContext, { store }: SharedStore, records: readonly PresentRecord[]
): Promise<PresentRecord[]> {
  const removed: PresentRecord[] = []
  for (const record of records) {
    const { bucket, key, version } = record
    if (!store.hasBucket(bucket)) continue
    const handle = tx.open(bucket)
    // The commit is refused where another writer changes it after this.
    if ((await handle.getSoon(key))?._version !== version) continue
    await handle.delete(key)
    removed.push(record)
  }
  return removed
}
