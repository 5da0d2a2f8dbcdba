import type {
  BucketDefinition, StoreRecord, TransactionBucketHandle, TransactionContext
} from '@hamicek/noex-store'
import type { EntryWriters } from './entry-writers.js'
import { checkCounter, incremented } from './increment.js'
import { accessOf, type Reach } from './reach.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import type { StoreAccess } from './store-access.js'
import type { TransactionEntry } from './transaction-entry.js'

/** One try to run the entries of a transaction. Nothing is written before the transaction is committed. */
export class TransactionRun {
  readonly #access: StoreAccess
  readonly #tx: TransactionContext
  readonly #reach: Reach
  readonly #writers: EntryWriters | undefined

  /** `writers` takes note of which entry has written a value. */
  constructor (access: StoreAccess, tx: TransactionContext, reach: Reach, writers?: EntryWriters) {
    this.#access = access
    this.#tx = tx
    this.#reach = reach
    this.#writers = writers
  }

  /** Runs the entry at a place among all, and gives its result. */
  async apply (entry: TransactionEntry, index = 0): Promise<unknown> {
    const access = accessOf(this.#reach, `store.${entry.op}`, entry.bucket)
    const bucket = await this.#tx.bucket(entry.bucket, access)
    const definition = this.#access.definition(entry.bucket)
    switch (entry.op) {
      case 'get': return await bucket.get(entry.key)
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
      default: {
        const record = await write(bucket, entry, definition)
        const { key } = definition
        const written = entry.op === 'insert' || record._version === 1
          ? record
          : { ...('data' in entry && entry.data), [key]: record[key] }
        this.#writers?.note(index, entry.bucket, definition, written)
        return record
      }
    }
  }
}

type WriteOfOne = Extract<TransactionEntry, { readonly op: 'insert' | 'upsert' | 'update' | 'increment' }>

async function write (
  bucket: TransactionBucketHandle, entry: WriteOfOne, definition: BucketDefinition
): Promise<StoreRecord> {
  switch (entry.op) {
    case 'insert': return await bucket.insert(withoutExpiry(entry.data))
    case 'upsert': return await bucket.upsert(withoutExpiry(entry.data), versionOf(entry))
    case 'update': return await bucket.update(entry.key, withoutExpiry(entry.data), versionOf(entry))
    case 'increment': {
      const { key, field, by } = entry
      checkCounter(definition, field)
      const add = (record: StoreRecord): RecordInput => ({ [field]: incremented(record, field, by) })
      return await bucket.update(key, add, versionOf(entry))
    }
  }
}

function versionOf (
  { expectedVersion }: { readonly expectedVersion?: number | undefined }
): { readonly expectedVersion?: number } {
  return expectedVersion === undefined ? {} : { expectedVersion }
}
