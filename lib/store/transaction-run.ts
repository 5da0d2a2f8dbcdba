import {
  parseTtl,
  type BucketDefinition, type StoreRecord, type TransactionBucketHandle, type TransactionContext, type WhereFilter
} from '@hamicek/noex-store'
import { NoexServerError } from '../errors.js'
import { candidatesIn, isUntouched, type OwnCandidates } from './checked-bucket.js'
import { readsOf } from './checked-transactions.js'
import { EntryWriters } from './entry-writers.js'
import { computeGroups } from './group-by.js'
import { checkCounter, incremented, type Increment } from './increment.js'
import { newKey, prepareInsert } from './new-record.js'
import type { Reach } from './reach.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import { checkReferences, releaseReferences } from './references.js'
import { confine, expectVisible, visible } from './row-filter.js'
import { eachMatch, matching } from './sliced-reads.js'
import type { StoreAccess } from './store-access.js'
import type { TransactionEntry } from './transaction.js'
import { checkMerged } from './merged-records.js'
import { checkTexts } from './value-guard.js'
import { UNITS_PER_WRITE } from './work.js'

/** Builds the refusal of a new record whose primary key `value` another record has. */
export type KeyRefusal = (bucket: string, field: string, value: unknown) => Error

/** A bucket as one entry reaches it. */
interface Target {
  readonly bucket: TransactionBucketHandle
  readonly definition: BucketDefinition
  /** The records that the entry sees; `undefined`: all of them. */
  readonly rows: WhereFilter | undefined
}

/** One try to run the entries of a transaction. Nothing is written before the transaction is committed. */
export class TransactionRun {
  readonly #access: StoreAccess
  readonly #tx: TransactionContext
  readonly #reach: Reach
  readonly #refuseKey: KeyRefusal
  /** Tells which entry has written a value. */
  readonly writers = new EntryWriters()
  /** What has been updated, by bucket: a transaction cannot delete it any more. */
  readonly #updated = new Map<string, Set<unknown>>()

  constructor (access: StoreAccess, tx: TransactionContext, reach: Reach, refuseKey: KeyRefusal) {
    this.#access = access
    this.#tx = tx
    this.#reach = reach
    this.#refuseKey = refuseKey
  }

  /** Runs one entry and gives its result. `index` is its place among all. */
  async apply (entry: TransactionEntry, index = 0): Promise<unknown> {
    this.writers.index = index
    // Once something read does not hold any more, nothing that follows could be committed.
    readsOf(this.#tx)?.check()
    const bucket = await this.#tx.bucket(entry.bucket)
    const rows = this.#reach.rows(`store.${entry.op}`, entry.bucket)
    const target: Target = { bucket, rows, definition: this.#access.definition(entry.bucket) }
    switch (entry.op) {
      case 'get': return visible(await bucket.get(entry.key), rows)
      case 'where': {
        const records = await this.#matching(target, entry.filter)
        return entry.limit == null ? records : records.slice(0, entry.limit)
      }
      case 'findOne': return await this.#findOne(target, entry.filter)
      case 'count': return await this.#count(target, entry.filter)
      case 'groupBy': {
        const records = await this.#matching(target, entry.filter)
        return await computeGroups(records, entry.field, entry.aggregate, this.#reach.work)
      }
      case 'insert': return (await this.#insert(target, [entry.data]))[0]
      case 'insertMany': return await this.#insert(target, entry.data)
      case 'upsert': return await this.#upsert(target, entry.data, entry.expectedVersion)
      case 'update': return await this.#update(target, entry.key, entry.data, entry.expectedVersion)
      case 'increment': return await this.#increment(target, entry)
      case 'updateMany': return await this.#updateMany(target, entry.filter, entry.data)
      case 'delete':
        await this.#delete(target, entry.key, entry.expectedVersion)
        return { deleted: true }
      case 'deleteMany': return await this.#deleteMany(target, entry.filter)
    }
  }

  /** Returns the records that match and are seen, in slices. */
  async #matching (
    target: Target, filter: WhereFilter | null | undefined, isCount = false
  ): Promise<StoreRecord[]> {
    const { records, rest, confined, written } = await this.#candidates(target, filter ?? {}, isCount)
    const found = await matching(records, rest, this.#reach.work)
    return written.length === 0 ? found : [...found, ...await matching(written, confined, this.#reach.work)]
  }

  async #findOne (target: Target, filter: WhereFilter): Promise<StoreRecord | undefined> {
    const { records, rest, confined, written } = await this.#candidates(target, filter, false)
    let found: StoreRecord | undefined
    const take = (record: StoreRecord): boolean => {
      found = record
      return false
    }
    await eachMatch(records, rest, this.#reach.work, take)
    if (found === undefined) await eachMatch(written, confined, this.#reach.work, take)
    return found
  }

  async #count (target: Target, filter: WhereFilter | null | undefined): Promise<number> {
    const isAll = target.rows === undefined && Object.keys(filter ?? {}).length === 0
    if (isAll && isUntouched(target.bucket)) return await target.bucket.count()
    return (await this.#matching(target, filter, true)).length
  }

  /** Remembers what is looked for, as the bucket's own reads do. */
  async #candidates (
    { bucket, definition, rows }: Target, filter: WhereFilter, isCount: boolean
  ): Promise<OwnCandidates & { readonly confined: WhereFilter }> {
    const confined = confine(rows, filter)
    readsOf(this.#tx)?.addFilter(bucket.name, { filter: confined, isCount })
    return { ...await candidatesIn(bucket, definition, confined), confined }
  }

  /** Counts a write, and lets others have their turn before it if it is time. */
  async #beforeWrite (): Promise<void> {
    this.#reach.work.take(UNITS_PER_WRITE)
    await this.#reach.work.pause()
  }

  async #insert (target: Target, data: readonly RecordInput[]): Promise<StoreRecord[]> {
    const { bucket, definition } = target
    const records: StoreRecord[] = []
    for (const input of this.#prepare(target, data)) {
      await this.#beforeWrite()
      input[definition.key] ??= await newKey(this.#access, bucket, definition)
      const key = input[definition.key]
      if (key !== undefined && await bucket.get(key) !== undefined) throw this.#refuseKey(bucket.name, definition.key, key)
      records.push(await this.#add(target, input))
    }
    return records
  }

  #prepare ({ bucket, definition }: Target, data: readonly RecordInput[]): Array<Record<string, unknown>> {
    const inputs = data.map(item => prepareInsert(this.#access, bucket.name, definition, item))
    checkTexts(bucket.name, definition, inputs)
    return inputs
  }

  async #add ({ bucket, definition, rows }: Target, input: Record<string, unknown>): Promise<StoreRecord> {
    await checkReferences(this.#tx, bucket.name, definition, input)
    if (definition.ttl !== undefined) input['_expiresAt'] = Date.now() + parseTtl(definition.ttl)
    const record = await bucket.insert(input)
    this.writers.note(bucket.name, definition, record)
    return expectVisible(record, rows, bucket.name)
  }

  async #upsert (target: Target, data: RecordInput, expectedVersion?: number): Promise<StoreRecord> {
    const key = data[target.definition.key]
    if (expectedVersion !== undefined) await expect(target, key, expectedVersion)
    if (key !== undefined) {
      if (await target.bucket.get(key) !== undefined) {
        return await this.#update(target, key, data, expectedVersion)
      }
      // Not asked again whether the key is taken: if it is now, the commit fails, and the next try updates.
      const [input] = this.#prepare(target, [data])
      return await this.#add(target, input as Record<string, unknown>)
    }
    return (await this.#insert(target, [data]))[0] as StoreRecord
  }

  async #update (target: Target, key: unknown, data: RecordInput, expectedVersion?: number): Promise<StoreRecord> {
    const { bucket, definition } = target
    await expect(target, key, expectedVersion)
    await checkReferences(this.#tx, bucket.name, definition, data)
    await checkMerged(bucket.name, definition, data, async () => [await bucket.get(key)])
    return await this.#change(target, key, data)
  }

  async #increment (target: Target, { key, field, by, expectedVersion }: Increment): Promise<StoreRecord> {
    const { bucket, definition } = target
    checkCounter(definition, field)
    await expect(target, key, expectedVersion)
    const record = await bucket.get(key)
    // An update of a record that is not there is refused.
    const sum = record === undefined ? by : incremented(record, field, by)
    return await this.#update(target, key, { [field]: sum })
  }

  async #updateMany (target: Target, filter: WhereFilter, data: RecordInput): Promise<number> {
    const { bucket, definition } = target
    const records = await this.#matching(target, filter)
    if (records.length > 0) await checkReferences(this.#tx, bucket.name, definition, data)
    await checkMerged(bucket.name, definition, data, async () => records)
    for (const record of records) {
      await this.#beforeWrite()
      await this.#change(target, record[definition.key], data)
    }
    return records.length
  }

  async #change ({ bucket, definition, rows }: Target, key: unknown, data: RecordInput): Promise<StoreRecord> {
    const updated = this.#updated.get(bucket.name) ?? new Set()
    this.#updated.set(bucket.name, updated.add(key))
    // At its commit, the store looks for each update among all of them.
    this.#reach.work.take(updated.size)
    const record = await bucket.update(key, withoutExpiry(data))
    this.writers.note(bucket.name, definition, { ...data, [definition.key]: key })
    return expectVisible(record, rows, bucket.name)
  }

  async #delete (target: Target, key: unknown, expectedVersion?: number): Promise<void> {
    const { bucket, definition } = target
    await expect(target, key, expectedVersion)
    await bucket.delete(key)
    this.writers.note(bucket.name, definition, { [definition.key]: key })
    await this.#release(bucket.name, [key])
  }

  async #deleteMany (target: Target, filter: WhereFilter): Promise<number> {
    const { bucket, definition } = target
    const records = await this.#matching(target, filter)
    const keys = records.map(record => record[definition.key])
    for (const key of keys) {
      await this.#beforeWrite()
      await bucket.delete(key)
      this.writers.note(bucket.name, definition, { [definition.key]: key })
    }
    await this.#release(bucket.name, keys)
    return keys.length
  }

  /** What becomes of the records that refer to deleted ones is the schema's matter: no row filter confines it. */
  async #release (bucket: string, deleted: readonly unknown[]): Promise<void> {
    await releaseReferences(this.#access, this.#tx, bucket, deleted, this.#reach.work)
  }

  /**
   * Deletes the oldest records above `maxSize`, whoever may see them; one that this transaction has updated is
   * not taken for old.
   */
  async evict (name: string, definition: BucketDefinition): Promise<void> {
    if (definition.maxSize === undefined) return
    const bucket = await this.#tx.bucket(name)
    // Only counted at first, so that no change of a record in a bucket with room is a conflict.
    const surplus = await bucket.count() - definition.maxSize
    if (surplus <= 0) return
    const records = await bucket.all()
    this.#reach.work.take(records.length)
    const updated = this.#updated.get(name)
    const oldest = records.filter(record => updated?.has(record[definition.key]) !== true)
      .sort((a, b) => a._createdAt - b._createdAt).slice(0, surplus)
    for (const record of oldest) await bucket.delete(record[definition.key])
  }
}

/**
 * Looks at the record that an entry is to change; not where every one will do.
 * @throws `FORBIDDEN` when the entry does not see it, `CONFLICT` when it is not the version which the client has read
 */
async function expect ({ bucket, rows }: Target, key: unknown, version: number | undefined): Promise<void> {
  if (rows === undefined && version === undefined) return
  const record = await bucket.get(key)
  if (record !== undefined) expectVisible(record, rows, bucket.name)
  if (version !== undefined && record?._version !== version) {
    throw new NoexServerError('CONFLICT', `The record of bucket "${bucket.name}" is not at version ${version}`,
      { bucket: bucket.name, key, expectedVersion: version, version: record?._version ?? null })
  }
}
