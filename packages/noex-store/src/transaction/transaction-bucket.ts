import type { Bucket } from '../bucket/bucket.js'
import { changesOf, checkObject, type Input } from '../write/changes.js'
import type { WriteAccess } from '../write/write-access.js'
import { checkVersion, keyOfNew, MAX_ATTEMPTS } from '../write/writes.js'
import type { Engine } from '../commit/engine.js'
import {
  DuplicateKeyError, RecordExistsError, RecordNotFoundError, TransactionConflictError
} from '../errors.js'
import type { OperationBudget } from '../schema/size.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import type { Changes, UpsertOptions, WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
import { followDelete } from './follow-delete.js'
import type { Overlay } from './overlay.js'
import type { ReadSet } from './read-set.js'
import { TransactionReader } from './transaction-reader.js'

/** A bucket as a transaction sees it: with its own writes, which no other reader sees before the commit. */
export class TransactionBucketHandle extends TransactionReader {
  readonly #engine: Engine
  readonly #bucket: Bucket
  readonly #overlay: Overlay
  readonly #overlayOf: (bucket: Bucket) => Overlay
  readonly #access: WriteAccess
  readonly #budget: OperationBudget

  /** Made by `TransactionContext.bucket`. */
  constructor (
    engine: Engine, reads: ReadSet, overlay: Overlay, overlayOf: (bucket: Bucket) => Overlay,
    assertOpen: () => void, access: WriteAccess, budget: OperationBudget
  ) {
    super(engine, reads, overlay, assertOpen, access)
    this.#engine = engine
    this.#bucket = overlay.bucket
    this.#overlay = overlay
    this.#overlayOf = overlayOf
    this.#access = access
    this.#budget = budget
  }

  get name (): string {
    return this.#bucket.name
  }

  /** Last autoincrement number of the bucket. */
  get autoincrementCounter (): number {
    return this.#bucket.counter
  }

  async insert (data: Record<string, unknown>): Promise<StoreRecord> {
    return await this.insertSoon(data)
  }

  /** Does `insert` at once, where there is nothing to wait for. */
  insertSoon (data: Record<string, unknown>): StoreRecord | Promise<StoreRecord> {
    return this.inTurn(() => this.#insert(data))
  }

  /** @throws RecordNotFoundError, VersionMismatchError for another version than `expectedVersion` */
  async update (
    key: unknown, changes: Changes, options: Pick<WriteOptions, 'expectedVersion'> = {}
  ): Promise<StoreRecord> {
    return await this.updateSoon(key, changes, options)
  }

  /** Does `update` at once, where there is nothing to wait for. */
  updateSoon (
    key: unknown, changes: Changes, { expectedVersion }: Pick<WriteOptions, 'expectedVersion'> = {}
  ): StoreRecord | Promise<StoreRecord> {
    return this.inTurn(() => this.#update(key, changes, expectedVersion))
  }

  /** Deletes a record; one that does not exist is passed over, unless a version of it is expected. */
  async delete (key: unknown, options: Pick<WriteOptions, 'expectedVersion'> = {}): Promise<void> {
    await this.inTurn(() => this.#delete(key, options.expectedVersion))
  }

  async insertMany (data: Array<Record<string, unknown>>): Promise<StoreRecord[]> {
    const records: StoreRecord[] = []
    for (const item of data) {
      for (let turn = this.pause(); turn !== undefined; turn = this.pause()) await turn
      const made = this.#insert(item)
      records.push(made instanceof Promise ? await made : made)
    }
    return records
  }

  async updateMany (filter: WhereFilter, changes: Record<string, unknown>): Promise<number> {
    const records = await this.where(filter)
    for (const record of records) {
      for (let turn = this.pause(); turn !== undefined; turn = this.pause()) await turn
      const updated = this.#update(record[this.#bucket.schema.key], changes)
      if (updated instanceof Promise) await updated
    }
    return records.length
  }

  async deleteMany (filter: WhereFilter): Promise<number> {
    const records = await this.where(filter)
    for (const record of records) {
      for (let turn = this.pause(); turn !== undefined; turn = this.pause()) await turn
      await this.#delete(record[this.#bucket.schema.key])
    }
    return records.length
  }

  async upsert (
    data: Record<string, unknown>, options: Pick<UpsertOptions, 'expectedVersion' | 'update'> = {}
  ): Promise<StoreRecord> {
    for (let turn = this.pause(); turn !== undefined; turn = this.pause()) await turn
    checkObject(this.#bucket, data)
    const key = data[this.#bucket.schema.key]
    if (key !== undefined && this.read(key) !== undefined) {
      return await this.#update(key, options.update ?? data, options.expectedVersion)
    }
    checkVersion(this.#bucket, key, undefined, options.expectedVersion)
    return await this.#insert(data)
  }

  #insert (data: Input, attempt = 1): StoreRecord | Promise<StoreRecord> {
    this.open()
    const bucket = this.#bucket
    if (bucket.schema.hasFunctions) this.#engine.checks.assertRoom(this.name)
    checkObject(bucket, data)
    if (attempt === 1) this.#access.takeWrites(1)
    const { key: field } = bucket.schema
    const pending: PendingCheck[] = []
    const record = bucket.maker.insert(
      data, this.#engine.now, number => this.#overlay.has(number), pending
    )
    this.#budget.add(this.name, bucket.maker.inputBytes)
    const key = keyOfNew(bucket, record)
    const written = this.#overlay.get(key)
    if (written?.after !== undefined) throw new DuplicateKeyError(this.name, record[field], field)
    if (written === undefined && this.read(key) !== undefined) {
      throw new RecordExistsError(this.name, record[field], field)
    }
    this.#access.check(bucket, record)
    // In the place of a record that this transaction has deleted: one change of the key in all.
    const version = written?.before === undefined ? record._version : written.before._version + 1
    const inserted = version === record._version ? record : Object.freeze({ ...record, _version: version })
    const write = (): StoreRecord => {
      this.#overlay.set(key, undefined, inserted)
      return inserted
    }
    if (pending.length === 0) return write()
    return this.#whenChecked(key, pending, attempt, write, () => this.#insert(data, attempt + 1))
  }

  #update (
    key: unknown, changes: Changes, expectedVersion?: number, attempt = 1
  ): StoreRecord | Promise<StoreRecord> {
    this.open()
    const bucket = this.#bucket
    if (bucket.schema.hasFunctions) this.#engine.checks.assertRoom(this.name)
    if (typeof changes !== 'function') checkObject(bucket, changes)
    const existing = this.read(key)
    if (existing === undefined) {
      checkVersion(bucket, key, existing, expectedVersion)
      throw new RecordNotFoundError(this.name, key)
    }
    this.#access.check(bucket, existing)
    checkVersion(bucket, key, existing, expectedVersion)
    if (attempt === 1) this.#access.takeWrites(1)
    const pending: PendingCheck[] = []
    const made = changesOf(bucket, changes, existing)
    const after = bucket.maker.update(existing, made, this.#engine.now, pending)
    this.#budget.add(this.name, bucket.maker.inputBytes)
    this.#access.check(bucket, after)
    const wanted = bucket.keyOf(key)
    const write = (): StoreRecord => {
      this.#overlay.set(wanted, existing, after)
      return after
    }
    if (pending.length === 0) return write()
    const again = () => this.#update(key, changes, expectedVersion, attempt + 1)
    return this.#whenChecked(wanted, pending, attempt, write, again)
  }

  /**
   * Writes once the checks have passed; again from the beginning when the transaction itself has written the
   * key meanwhile.
   */
  async #whenChecked (
    key: unknown, pending: readonly PendingCheck[], attempt: number,
    write: () => StoreRecord, again: () => StoreRecord | Promise<StoreRecord>
  ): Promise<StoreRecord> {
    const before = this.#overlay.get(key)?.after
    const isFirst = !this.#overlay.has(key)
    await this.#engine.checks.settle(this.name, pending)
    this.open()
    const isSame = this.#overlay.get(key)?.after === before && !this.#overlay.has(key) === isFirst
    if (isSame) return write()
    if (attempt < MAX_ATTEMPTS) return await again()
    throw new TransactionConflictError(this.name, key, 'Its own writes of the key overtake one another')
  }

  #delete (key: unknown, expectedVersion?: number): Promise<void> | undefined {
    this.open()
    const existing = this.read(key)
    if (existing !== undefined) this.#access.check(this.#bucket, existing)
    checkVersion(this.#bucket, key, existing, expectedVersion)
    if (existing === undefined) return undefined
    this.#access.takeWrites(1)
    const wanted = this.#bucket.keyOf(key)
    this.#overlay.set(wanted, existing, undefined)
    if (this.#engine.inboundOf(this.#bucket).length === 0) return undefined
    return this.#followDelete(wanted)
  }

  /** Does what a delete causes, in slices. */
  async #followDelete (key: unknown): Promise<void> {
    const causes = followDelete(this.#engine, this.#overlayOf, this.#bucket, key)
    for (let i = 1; causes.next().done !== true; i++) {
      this.#access.takeWrites(1)
      const turn = this.#engine.slicer.pause(i)
      if (turn !== undefined) await turn
    }
  }
}
