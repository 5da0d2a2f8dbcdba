import type {
  BucketDefinition, StoreRecord, TransactionBucketHandle, TransactionContext
} from '@hamicek/noex-store'
import type { EntryWriters } from './entry-writers.js'
import { checkCounter, incremented } from './arithmetic.js'
import { withoutExpiry, type RecordInput } from './writes.js'
import { accessOf, type RowScope } from './row-scope.js'
import type { SharedStore } from './shared-store.js'
import type { TransactionEntry } from './transaction-entry.js'

/** Runs the entries of one try of a transaction. Nothing is written before the transaction commits. */
export class TransactionRun {
  readonly #sharedStore: SharedStore
  readonly #tx: TransactionContext
  readonly #rowScope: RowScope
  readonly #writers: EntryWriters | undefined

  /** `writers` keeps which entry has written a value. */
  constructor (sharedStore: SharedStore, tx: TransactionContext, rowScope: RowScope, writers?: EntryWriters) {
    this.#sharedStore = sharedStore
    this.#tx = tx
    this.#rowScope = rowScope
    this.#writers = writers
  }

  /**
   * Runs the entry at `index`. Returns its result, or a promise of it where there is something to wait for.
   */
  apply (entry: TransactionEntry, index = 0): unknown {
    const access = accessOf(this.#rowScope, `store.${entry.op}`, entry.bucket)
    const bucket = this.#tx.open(entry.bucket, access)
    switch (entry.op) {
      case 'get': return bucket.getSoon(entry.key)
      case 'insert':
      case 'upsert':
      case 'update':
      case 'increment': {
        const definition = this.#sharedStore.definition(entry.bucket)
        const writing = write(bucket, entry, definition)
        if (!(writing instanceof Promise)) return this.#noted(writing, entry, definition, index)
        return writing.then(record => this.#noted(record, entry, definition, index))
      }
      default: return this.#applyMany(entry, bucket, index)
    }
  }

  async #applyMany (
    entry: Exclude<TransactionEntry, WriteOfOne | Get>, bucket: TransactionBucketHandle, index: number
  ): Promise<unknown> {
    const definition = this.#sharedStore.definition(entry.bucket)
    switch (entry.op) {
      case 'where': {
        const records = await bucket.where(entry.filter)
        return entry.limit == null ? records : records.slice(0, entry.limit)
      }
      case 'findOne': return await bucket.findOne(entry.filter)
      case 'count': return await bucket.count(entry.filter ?? undefined)
      case 'groupBy': return await bucket.groupBy(entry.field, entry.aggregate, entry.filter ?? undefined)
      case 'updateMany':
        this.#writers?.noteFilter(index, entry.bucket, definition, entry.data)
        return await bucket.updateMany(entry.filter, withoutExpiry(entry.data))
      case 'deleteMany':
        this.#writers?.noteFilter(index, entry.bucket, definition)
        return await bucket.deleteMany(entry.filter)
      case 'delete':
        await bucket.delete(entry.key, versionOf(entry))
        this.#writers?.note(index, entry.bucket, definition, { [definition.key]: entry.key })
        return { deleted: true }
      case 'insertMany': {
        const records = await bucket.insertMany(entry.data.map(withoutExpiry))
        for (const record of records) this.#writers?.note(index, entry.bucket, definition, record)
        return records
      }
    }
  }

  #noted (
    record: StoreRecord, entry: WriteOfOne, definition: BucketDefinition, index: number
  ): StoreRecord {
    const { key } = definition
    const written = entry.op === 'insert' || record._version === 1
      ? record
      : { ...('data' in entry && entry.data), [key]: record[key] }
    this.#writers?.note(index, entry.bucket, definition, written)
    return record
  }
}

type Get = Extract<TransactionEntry, { readonly op: 'get' }>
type WriteOfOne = Extract<TransactionEntry, { readonly op: 'insert' | 'upsert' | 'update' | 'increment' }>

function write (
  bucket: TransactionBucketHandle, entry: WriteOfOne, definition: BucketDefinition
): StoreRecord | Promise<StoreRecord> {
  switch (entry.op) {
    case 'insert': return bucket.insertSoon(withoutExpiry(entry.data))
    case 'upsert': return bucket.upsert(withoutExpiry(entry.data), versionOf(entry))
    case 'update': return bucket.updateSoon(entry.key, withoutExpiry(entry.data), versionOf(entry))
    case 'increment': {
      const { key, field, by } = entry
      checkCounter(definition, field)
      const add = (record: StoreRecord): RecordInput => ({ [field]: incremented(record, field, by) })
      return bucket.updateSoon(key, add, versionOf(entry))
    }
  }
}

function versionOf (
  { expectedVersion }: { readonly expectedVersion?: number | undefined }
): { readonly expectedVersion?: number } {
  return expectedVersion === undefined ? {} : { expectedVersion }
}
