import { isStoreError } from '@hamicek/noex-store'
import { bucketNotDefined, NoexServerError } from '../protocol/errors.js'
import { EntryWriters } from './entry-writers.js'
import { commitOptions, type RowScope } from './row-scope.js'
import { repeatConflicts, transact } from './repeat-conflicts.js'
import type { SharedStore } from './shared-store.js'
import { placedError } from './store-errors.js'
import type { TransactionEntry } from './transaction-entry.js'
import { TransactionRun } from './transaction-run.js'

/**
 * Runs the entries in order; all of them take effect, or none. Later entries see what earlier ones did, and
 * what any has read still holds when all take effect: where another writer is faster, they are run again.
 * Each reaches the records that `reach` allows the operation of its name, and sees no others.
 * @returns one result for each entry.
 * @throws the error of the entry that fails, behind the place of the entry, or `CONFLICT` when other writers
 * were always faster.
 */
export async function runTransaction (
  sharedStore: SharedStore, entries: readonly TransactionEntry[], rowScope: RowScope
): Promise<unknown[]> {
  for (const [index, { bucket }] of entries.entries()) {
    if (sharedStore.store.hasBucket(bucket)) continue
    const refusal = bucketNotDefined(bucket)
    throw placedError(placeOf(index), refusal) ?? refusal
  }
  return await repeatConflicts(sharedStore, async committing => {
    const writers = new EntryWriters()
    try {
      return await transact(sharedStore, tx => {
        const run = new TransactionRun(sharedStore, tx, rowScope, writers)
        return applyAll(run, entries, [])
      }, commitOptions(rowScope, committing))
    } catch (error) {
      // The commit has failed: the entries themselves have not.
      const index = writers.entryOf(error, bucket => sharedStore.store.getBucketSchema(bucket)?.key)
      throw index === undefined ? error : placedError(placeOf(index), error) ?? error
    }
  }, rowScope.work)
}

/** Runs the entries behind those that have `results`, all at once where there is nothing to wait for. */
function applyAll (
  run: TransactionRun, entries: readonly TransactionEntry[], results: unknown[]
): unknown[] | Promise<unknown[]> {
  while (results.length < entries.length) {
    const result = applyAt(run, entries[results.length] as TransactionEntry, results.length)
    if (result instanceof Promise) return applyBehind(result, run, entries, results)
    results.push(result)
  }
  return results
}

async function applyBehind (
  result: Promise<unknown>, run: TransactionRun, entries: readonly TransactionEntry[], results: unknown[]
): Promise<unknown[]> {
  results.push(await result)
  while (results.length < entries.length) {
    results.push(await applyAt(run, entries[results.length] as TransactionEntry, results.length))
  }
  return results
}

/** Returns the result at once, where there is nothing to wait for. */
function applyAt (run: TransactionRun, entry: TransactionEntry, index: number): unknown {
  const refused = (error: unknown): never => {
    const refusal = refusalOfKey(error)
    throw placedError(placeOf(index), refusal) ?? refusal
  }
  try {
    const result = run.apply(entry, index)
    return result instanceof Promise ? result.catch(refused) : result
  } catch (error) {
    return refused(error)
  }
}

/** In a transaction, a key that is taken is a conflict with the record that has it. */
export function refusalOfKey (error: unknown): unknown {
  if (!isStoreError(error) || (error.code !== 'RECORD_EXISTS' && error.code !== 'DUPLICATE_KEY')) return error
  const { bucket, key } = error as unknown as { readonly bucket: string, readonly key: unknown }
  return new NoexServerError(
    'CONFLICT', `Bucket "${bucket}" has another record with this primary key`, { bucket, key }
  )
}

/** Returns the path of an entry, as messages name it. */
export function placeOf (index: number): string {
  return `operations[${index}]`
}
