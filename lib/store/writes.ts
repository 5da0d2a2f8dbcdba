import type { BucketHandle, StoreRecord, UpsertOptions, WhereFilter, WriteOptions } from '@hamicek/noex-store'
import { checkCounter, incremented, type Increment } from './arithmetic.js'
import { accessOf, commitOptions, type RowScope } from './row-scope.js'
import type { SharedStore } from './shared-store.js'

/** A record, or changes of one, as a client sends it. */
export type RecordInput = Readonly<Record<string, unknown>>

/**
 * Writes records for one request. Each method rejects with an error of the store, which `toReplyError`
 * translates, for instance to `FORBIDDEN` for a record that is, or would come to be, outside of the row
 * scope.
 */
export class Writes {
  readonly #sharedStore: SharedStore
  readonly #rowScope: RowScope

  constructor (sharedStore: SharedStore, rowScope: RowScope) {
    this.#sharedStore = sharedStore
    this.#rowScope = rowScope
  }

  async insert (bucket: string, data: RecordInput): Promise<StoreRecord> {
    return await this.#open('store.insert', bucket).insert(withoutExpiry(data), this.#options())
  }

  /** Inserts all records or none. */
  async insertMany (bucket: string, data: readonly RecordInput[]): Promise<StoreRecord[]> {
    return await this.#open('store.insertMany', bucket).insertMany(data.map(withoutExpiry), this.#options())
  }

  /** Updates the record with this key, or inserts one; with `expectedVersion`, only updates that version. */
  async upsert (bucket: string, data: RecordInput, expectedVersion?: number): Promise<StoreRecord> {
    const handle = this.#open('store.upsert', bucket)
    return await handle.upsert(withoutExpiry(data), this.#options(expectedVersion))
  }

  /** Updates one record; with `expectedVersion`, only when that is its `_version`. */
  async update (
    bucket: string, key: unknown, data: RecordInput, expectedVersion?: number
  ): Promise<StoreRecord> {
    const handle = this.#open('store.update', bucket)
    return await handle.update(key, withoutExpiry(data), this.#options(expectedVersion))
  }

  /** Adds to a number of a record, in one step. */
  async increment (
    bucket: string, { key, field, by, expectedVersion }: Increment
  ): Promise<StoreRecord> {
    const handle = this.#open('store.increment', bucket)
    checkCounter(this.#sharedStore.definition(bucket), field)
    return await handle.update(
      key, record => ({ [field]: incremented(record, field, by) }), this.#options(expectedVersion)
    )
  }

  /** Updates all matching records within the row scope, or none. Resolves with their number. */
  async updateMany (bucket: string, filter: WhereFilter, data: RecordInput): Promise<number> {
    const handle = this.#open('store.updateMany', bucket)
    return await handle.updateMany(filter, withoutExpiry(data), this.#options())
  }

  /** Deletes a record. Records that refer to it are treated by the `onDelete` of their fields. */
  async delete (bucket: string, key: unknown, expectedVersion?: number): Promise<void> {
    await this.#open('store.delete', bucket).delete(key, this.#options(expectedVersion))
  }

  /** Deletes all matching records within the row scope, or none. Resolves with their number. */
  async deleteMany (bucket: string, filter: WhereFilter): Promise<number> {
    return await this.#open('store.deleteMany', bucket).deleteMany(filter, this.#options())
  }

  /**
   * Removes all records of a bucket, also those with references to them. Refused where the row scope excludes
   * any.
   */
  async clear (bucket: string): Promise<void> {
    await this.#open('store.clear', bucket).clear(this.#options())
  }

  #open (operation: string, bucket: string): BucketHandle {
    return this.#sharedStore.bucket(bucket, accessOf(this.#rowScope, operation, bucket))
  }

  #options (expectedVersion?: number): WriteOptions & UpsertOptions {
    const options = commitOptions(this.#rowScope)
    return expectedVersion === undefined ? options : { ...options, expectedVersion }
  }
}

/** Returns a record without `_expiresAt`, by which it could outlive the TTL of its bucket. */
export function withoutExpiry (data: RecordInput): Record<string, unknown> {
  if (!Object.hasOwn(data, '_expiresAt')) return data as Record<string, unknown>
  const { _expiresAt: _, ...rest } = data
  return rest
}
