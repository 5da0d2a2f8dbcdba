import type { BucketDefinition, WhereFilter } from '@hamicek/noex-store'
import { NoexServerError, placedError } from '../errors.js'
import type { GroupAggregate } from './group-by.js'
import type { Increment } from './increment.js'
import { keyTaken } from './new-record.js'
import type { Reach } from './reach.js'
import type { RecordInput } from './record-input.js'
import { repeatConflicts, transact } from './repeat-conflicts.js'
import type { StoreAccess } from './store-access.js'
import { ReadConflictError } from './transaction-reads.js'
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
 * @throws the error of the first entry that fails, behind the place of the entry, or `CONFLICT` when other
 * writers were always faster.
 */
export async function runTransaction (
  access: StoreAccess, entries: readonly TransactionEntry[], reach: Reach
): Promise<unknown[]> {
  const at: AtEntry = async (index, work) => {
    try {
      return await work()
    } catch (error) {
      // It says nothing of the entry, and is answered by another try.
      if (error instanceof ReadConflictError) throw error
      throw placedError(placeOf(index), error) ?? error
    }
  }
  return await runEntries(access, entries, reach, keyConflict, at)
}

/** Returns the path of an entry, as messages name it. */
export function placeOf (index: number): string {
  return `operations[${index}]`
}

/** Does the work of one entry. */
type AtEntry = <T> (index: number, work: () => Promise<T> | T) => Promise<T>

async function runEntries (
  access: StoreAccess, entries: readonly TransactionEntry[], reach: Reach, refuseKey: KeyRefusal, at: AtEntry
): Promise<unknown[]> {
  return await repeatConflicts(access, async () => {
    const definitions = new Map<string, BucketDefinition>()
    for (const [index, { bucket }] of entries.entries()) {
      if (!definitions.has(bucket)) definitions.set(bucket, await at(index, () => access.definition(bucket)))
    }
    let run: TransactionRun | undefined
    try {
      return await transact(access, async tx => {
        const current = run = new TransactionRun(access, tx, reach, refuseKey)
        const results: unknown[] = []
        for (const [index, entry] of entries.entries()) {
          results.push(await at(index, async () => await current.apply(entry, index)))
          await reach.work.pause()
        }
        for (const [bucket, definition] of definitions) await current.evict(bucket, definition)
        // The commit is one step of the store: others have their turn before it.
        await reach.work.pause()
        reach.ensure()
        return results
      })
    } catch (error) {
      // The commit has failed: the entries themselves have not.
      const index = run?.writers.entryOf(error, bucket => definitions.get(bucket)?.key)
      if (index === undefined) throw error
      return await at(index, () => { throw error })
    }
  }, reach.work)
}

/** Runs one entry as the operation of its own that it stands for, with that operation's errors. */
export async function runEntry (
  access: StoreAccess, entry: TransactionEntry, reach: Reach
): Promise<unknown> {
  return (await runEntries(access, [entry], reach, keyTaken, async (_index, work) => await work()))[0]
}

const keyConflict: KeyRefusal = (bucket, _field, key) =>
  new NoexServerError('CONFLICT', `Bucket "${bucket}" has another record with this primary key`, { bucket, key })
