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
 * Runs the entries in order; all of them take effect, or none. Later entries see the changes of earlier ones,
 * and data that any has read is unchanged at the commit: otherwise all run again. An entry has access to the
 * records that `rowScope` allows for the operation of its name. Resolves with one result for each entry.
 * @throws the error of the entry that fails, its message after the path of the entry, or `CONFLICT` when
 * every try conflicts with other writers
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
      // The commit has failed, after all entries have succeeded.
      const index = writers.entryOf(error, bucket => sharedStore.store.getBucketSchema(bucket)?.key)
      throw index === undefined ? error : placedError(placeOf(index), error) ?? error
    }
  }, rowScope.work)
}

/**
 * Runs the entries that have no result yet. Returns all results, or a promise where one has to be awaited.
 */
function applyAll (
  run: TransactionRun, entries: readonly TransactionEntry[], results: unknown[]
): unknown[] | Promise<unknown[]> {
  while (results.length < entries.length) {
    const result = applyAt(run, entries[results.length] as TransactionEntry, results.length)
    if (result instanceof Promise) return applyRest(result, run, entries, results)
    results.push(result)
  }
  return results
}

async function applyRest (
  result: Promise<unknown>, run: TransactionRun, entries: readonly TransactionEntry[], results: unknown[]
): Promise<unknown[]> {
  results.push(await result)
  while (results.length < entries.length) {
    results.push(await applyAt(run, entries[results.length] as TransactionEntry, results.length))
  }
  return results
}

/** Runs one entry. Returns its result, or a promise where it has to be awaited. */
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

/** Replaces the refusal of a taken key by `CONFLICT`, which it is in a transaction. */
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
