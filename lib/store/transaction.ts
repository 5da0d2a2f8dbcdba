import type { WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../errors.js'
import type { GroupAggregate } from './group-by.js'
import type { Increment } from './increment.js'
import { keyTaken } from './new-record.js'
import type { Reach } from './reach.js'
import type { RecordInput } from './record-input.js'
import { repeatConflicts, transact } from './repeat-conflicts.js'
import type { StoreAccess } from './store-access.js'
import { TransactionRun, type KeyRefusal } from './transaction-run.js'

interface MaybeVersion {
  /** The `_version` that the record must have. */
  readonly expectedVersion?: number | undefined
}

/** One step of a transaction, as PROTOCOL.md, "Transactions", lists them; its fields are checked already. */
export type TransactionEntry = { readonly bucket: string } & (
  | { readonly op: 'get', readonly key: unknown }
  | { readonly op: 'insert', readonly data: RecordInput }
  | { readonly op: 'upsert', readonly data: RecordInput } & MaybeVersion
  | { readonly op: 'insertMany', readonly data: readonly RecordInput[] }
  | { readonly op: 'update', readonly key: unknown, readonly data: RecordInput } & MaybeVersion
  | { readonly op: 'increment' } & Increment
  | { readonly op: 'updateMany', readonly filter: WhereFilter, readonly data: RecordInput }
  | { readonly op: 'delete', readonly key: unknown } & MaybeVersion
  | { readonly op: 'where', readonly filter: WhereFilter, readonly limit?: number | null }
  | { readonly op: 'deleteMany' | 'findOne', readonly filter: WhereFilter }
  | { readonly op: 'count', readonly filter?: WhereFilter | null }
  | { readonly op: 'groupBy', readonly field: string | string[], readonly aggregate: GroupAggregate, readonly filter?: WhereFilter | null })

/**
 * Runs the entries in order; all of them take effect, or none. Later entries see what earlier ones did, and
 * what any has read still holds when all take effect: where another writer is faster, they are run again.
 * Each reaches the records that `reach` allows the operation of its name, and sees no others. The store's
 * transaction leaves three things out that plain operations do, so they are done here: references are
 * checked, new records get their expiry, and a full bucket evicts its oldest records.
 * @returns one result for each entry.
 * @throws the error of the first entry that fails, or `CONFLICT` when other writers were always faster.
 */
export async function runTransaction (
  access: StoreAccess, entries: readonly TransactionEntry[], reach: Reach, refuseKey: KeyRefusal = keyConflict
): Promise<unknown[]> {
  return await repeatConflicts(access, async () => {
    const definitions = new Map(entries.map(({ bucket }) => [bucket, access.definition(bucket)]))
    return await transact(access, async tx => {
      const run = new TransactionRun(access, tx, reach, refuseKey)
      const results: unknown[] = []
      for (const entry of entries) {
        results.push(await run.apply(entry))
        await reach.work.pause()
      }
      for (const [bucket, definition] of definitions) await run.evict(bucket, definition)
      // The commit is one step of the store: others have their turn before it.
      await reach.work.pause()
      reach.ensure()
      return results
    })
  }, reach.work)
}

/** Runs one entry as the operation of its own that it stands for, with that operation's errors. */
export async function runEntry (access: StoreAccess, entry: TransactionEntry, reach: Reach): Promise<unknown> {
  return (await runTransaction(access, [entry], reach, keyTaken))[0]
}

const keyConflict: KeyRefusal = (bucket, _field, key) =>
  new NoexServerError('CONFLICT', `Bucket "${bucket}" has another record with this primary key`, { bucket, key })
