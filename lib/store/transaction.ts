import { parseTtl, type BucketDefinition, type StoreRecord, type TransactionBucketHandle, type TransactionContext, type WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../errors.js'
import { freeNumber } from './autoincrement.js'
import { computeGroups, type GroupAggregate } from './group-by.js'
import { prepareInsert } from './insert.js'
import { withoutExpiry, type RecordInput } from './record-input.js'
import { checkReferences, releaseReferences } from './references.js'
import type { StoreAccess } from './store-access.js'
import { checkMerged } from './update.js'
import { checkTexts } from './value-guard.js'

/** One step of a transaction, as PROTOCOL.md, "Transactions", lists them; its fields are checked already. */
export type TransactionEntry = { readonly bucket: string } & (
  | { readonly op: 'get', readonly key: unknown }
  | { readonly op: 'insert' | 'upsert', readonly data: RecordInput }
  | { readonly op: 'insertMany', readonly data: readonly RecordInput[] }
  | { readonly op: 'update', readonly key: unknown, readonly data: RecordInput, readonly expectedVersion?: number }
  | { readonly op: 'updateMany', readonly filter: WhereFilter, readonly data: RecordInput }
  | { readonly op: 'delete', readonly key: unknown, readonly expectedVersion?: number }
  | { readonly op: 'deleteMany' | 'where' | 'findOne', readonly filter: WhereFilter }
  | { readonly op: 'count', readonly filter?: WhereFilter | null }
  | { readonly op: 'groupBy', readonly field: string | string[], readonly aggregate: GroupAggregate, readonly filter?: WhereFilter | null })

/**
 * Runs the entries in order; all of them take effect, or none. Later entries see what earlier ones did.
 * The store's transaction leaves three things out that plain operations do, so they are done here:
 * references are checked, new records get their expiry, and a full bucket evicts its oldest records.
 * @returns one result for each entry.
 * @throws the error of the first entry that fails, or `CONFLICT` when another writer was faster.
 */
export async function runTransaction (access: StoreAccess, entries: readonly TransactionEntry[]): Promise<unknown[]> {
  const definitions = new Map(entries.map(({ bucket }) => [bucket, access.definition(bucket)]))
  return await access.store.transaction(async tx => {
    const run = new TransactionRun(access, tx)
    const results: unknown[] = []
    for (const entry of entries) results.push(await run.apply(entry))
    for (const [bucket, definition] of definitions) await run.evict(bucket, definition)
    return results
  })
}

class TransactionRun {
  readonly #access: StoreAccess
  readonly #tx: TransactionContext
  /** What has been updated, by bucket: a transaction cannot delete it any more. */
  readonly #updated = new Map<string, Set<unknown>>()

  constructor (access: StoreAccess, tx: TransactionContext) {
    this.#access = access
    this.#tx = tx
  }

  async apply (entry: TransactionEntry): Promise<unknown> {
    const bucket = await this.#tx.bucket(entry.bucket)
    switch (entry.op) {
      case 'get': return await bucket.get(entry.key)
      case 'where': return await bucket.where(entry.filter)
      case 'findOne': return await bucket.findOne(entry.filter)
      case 'count': return await bucket.count(entry.filter ?? undefined)
      case 'groupBy': return computeGroups(await bucket.where(entry.filter ?? {}), entry.field, entry.aggregate)
      case 'insert': return await this.#insert(bucket, entry.data)
      case 'insertMany': return await each(entry.data, data => this.#insert(bucket, data))
      case 'upsert': return await this.#upsert(bucket, entry.data)
      case 'update': return await this.#update(bucket, entry.key, entry.data, entry.expectedVersion)
      case 'updateMany': return await this.#updateMany(bucket, entry.filter, entry.data)
      case 'delete':
        await this.#delete(bucket, entry.key, entry.expectedVersion)
        return { deleted: true }
      case 'deleteMany': return await this.#deleteMany(bucket, entry.filter)
    }
  }

  async #insert (bucket: TransactionBucketHandle, data: RecordInput): Promise<StoreRecord> {
    const definition = this.#access.definition(bucket.name)
    const input = prepareInsert(this.#access, bucket.name, definition, data)
    checkTexts(definition, [input])
    input[definition.key] ??= await newKey(this.#access, bucket, definition)
    const key = input[definition.key]
    if (key !== undefined && await bucket.get(key) !== undefined) {
      throw new NoexServerError('CONFLICT', `Bucket "${bucket.name}" has another record with this primary key`, { bucket: bucket.name, key })
    }
    await checkReferences(this.#tx, bucket.name, definition, data)
    if (definition.ttl !== undefined) input['_expiresAt'] = Date.now() + parseTtl(definition.ttl)
    return await bucket.insert(input)
  }

  async #update (bucket: TransactionBucketHandle, key: unknown, data: RecordInput, expectedVersion?: number): Promise<StoreRecord> {
    await expectVersion(bucket, key, expectedVersion)
    await checkReferences(this.#tx, bucket.name, this.#access.definition(bucket.name), data)
    await checkMerged(this.#access, bucket.name, data, async () => [await bucket.get(key)])
    const updated = this.#updated.get(bucket.name) ?? new Set()
    this.#updated.set(bucket.name, updated.add(key))
    return await bucket.update(key, withoutExpiry(data))
  }

  async #upsert (bucket: TransactionBucketHandle, data: RecordInput): Promise<StoreRecord> {
    const key = data[this.#access.definition(bucket.name).key]
    const exists = key !== undefined && await bucket.get(key) !== undefined
    return exists ? await this.#update(bucket, key, data) : await this.#insert(bucket, data)
  }

  async #updateMany (bucket: TransactionBucketHandle, filter: WhereFilter, data: RecordInput): Promise<number> {
    const { key } = this.#access.definition(bucket.name)
    const records = await bucket.where(filter)
    for (const record of records) await this.#update(bucket, record[key], data)
    return records.length
  }

  async #delete (bucket: TransactionBucketHandle, key: unknown, expectedVersion?: number): Promise<void> {
    await expectVersion(bucket, key, expectedVersion)
    await bucket.delete(key)
    await releaseReferences(this.#access, this.#tx, bucket.name, [key])
  }

  async #deleteMany (bucket: TransactionBucketHandle, filter: WhereFilter): Promise<number> {
    const { key } = this.#access.definition(bucket.name)
    const keys = (await bucket.where(filter)).map(record => record[key])
    for (const deleted of keys) await bucket.delete(deleted)
    await releaseReferences(this.#access, this.#tx, bucket.name, keys)
    return keys.length
  }

  /** Deletes the oldest records above `maxSize`; one that this transaction has updated is not taken for old. */
  async evict (name: string, definition: BucketDefinition): Promise<void> {
    if (definition.maxSize === undefined) return
    const bucket = await this.#tx.bucket(name)
    const records = await bucket.all()
    const surplus = records.length - definition.maxSize
    if (surplus <= 0) return
    const updated = this.#updated.get(name)
    const oldest = records.filter(record => updated?.has(record[definition.key]) !== true)
      .sort((a, b) => a._createdAt - b._createdAt).slice(0, surplus)
    for (const record of oldest) await bucket.delete(record[definition.key])
  }
}

/** The key that the store would give a new record, unless it is random: in a transaction the store lets one new record replace another. */
async function newKey (access: StoreAccess, bucket: TransactionBucketHandle, definition: BucketDefinition): Promise<unknown> {
  const field = definition.schema[definition.key]
  switch (field?.generated) {
    case 'autoincrement': return await freeNumber(access, bucket.name, bucket.autoincrementCounter, async number => await bucket.get(number) !== undefined)
    case 'timestamp': return Date.now()
    case undefined: return typeof field?.default === 'function' ? field.default() : field?.default
    default: return undefined
  }
}

/** Refuses a write to a record that is not the one which the client has read. */
async function expectVersion (bucket: TransactionBucketHandle, key: unknown, expectedVersion: number | undefined): Promise<void> {
  if (expectedVersion === undefined) return
  const current = await bucket.get(key)
  if (current?._version !== expectedVersion) {
    throw new NoexServerError('CONFLICT', `The record of bucket "${bucket.name}" is not at version ${expectedVersion}`,
      { bucket: bucket.name, key, expectedVersion, version: current?._version ?? null })
  }
}

async function each<T, R> (items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const item of items) results.push(await work(item))
  return results
}
