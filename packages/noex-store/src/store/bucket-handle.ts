import { whenPurged } from '../commit/expiry.js'
import { insertMany } from '../write/insert-many.js'
import { WriteAccess } from '../write/write-access.js'
import { deleteMany, updateMany } from '../write/write-many.js'
import { clear, insert, remove, update, upsert } from '../write/writes.js'
import type { Engine } from '../commit/engine.js'
import { BucketReader } from '../query/bucket-reader.js'
import type { AccessOptions } from '../types/access.js'
import type { Changes, UpsertOptions, WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'

/**
 * A bucket of a store: reads and writes of its records. It follows the name: after the bucket is updated or
 * defined anew it works on that, after it is dropped every call rejects with `BucketNotDefinedError`.
 */
export class BucketHandle extends BucketReader {
  readonly #engine: Engine
  readonly #access: WriteAccess
  readonly name: string

  /** Made by `Store.bucket`. */
  constructor (engine: Engine, name: string, access?: AccessOptions) {
    super(engine, name, access)
    this.#access = access === undefined ? WriteAccess.unlimited : new WriteAccess(access)
    this.#engine = engine
    this.name = name
  }

  /**
   * Inserts a record and resolves with it, with its generated fields and metadata.
   * @throws ValidationError, RecordExistsError, UniqueConstraintError, ReferentialIntegrityError,
   * QuotaExceededError
   * @example
   * const { id } = await store.bucket('orders').insert({ total: 20 })
   */
  async insert (data: Record<string, unknown>, options?: WriteOptions): Promise<StoreRecord> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    const made = insert(this.#engine, this.name, data, options, this.#access)
    return made instanceof Promise ? await made : made
  }

  /**
   * Inserts all records or none.
   * @throws as `insert`, DuplicateKeyError
   */
  async insertMany (data: Array<Record<string, unknown>>, options?: WriteOptions): Promise<StoreRecord[]> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    const made = insertMany(this.#engine, this.name, data, options, this.#access)
    return made instanceof Promise ? await made : made
  }

  /**
   * Changes members of a record; the key, generated fields and metadata stay as they are. A function is given
   * the record in the step that commits, so that no other writer comes between.
   * @throws RecordNotFoundError, and as `insert`
   */
  async update (
    key: unknown, changes: Changes, options?: WriteOptions
  ): Promise<StoreRecord> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    const made = update(this.#engine, this.name, key, changes, options, this.#access)
    return made instanceof Promise ? await made : made
  }

  /** Changes all records that match, or none. Resolves with their number. */
  async updateMany (
    filter: WhereFilter, changes: Record<string, unknown>, options?: WriteOptions
  ): Promise<number> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    return await updateMany(this.#engine, this.name, filter, changes, options, this.#access)
  }

  /** Updates the record with the key of `data`, or inserts one. */
  async upsert (data: Record<string, unknown>, options?: UpsertOptions): Promise<StoreRecord> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    const made = upsert(this.#engine, this.name, data, options, this.#access)
    return made instanceof Promise ? await made : made
  }

  /**
   * Deletes a record and what its references say; one that does not exist is passed over.
   * @throws ReferentialIntegrityError
   */
  async delete (key: unknown, options?: WriteOptions): Promise<void> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    const removing = remove(this.#engine, this.name, key, options, this.#access)
    if (removing !== undefined) await removing
  }

  /** Deletes all records that match, or none. Resolves with their number. */
  async deleteMany (filter: WhereFilter, options?: WriteOptions): Promise<number> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    return await deleteMany(this.#engine, this.name, filter, options, this.#access)
  }

  /** Removes all records at once. Records of other buckets that refer to them stay as they are. */
  async clear (options?: WriteOptions): Promise<void> {
    const purged = whenPurged(this.#engine, this.name)
    if (purged !== undefined) await purged
    const clearing = clear(this.#engine, this.name, options, this.#access)
    if (clearing !== undefined) await clearing
  }
}
