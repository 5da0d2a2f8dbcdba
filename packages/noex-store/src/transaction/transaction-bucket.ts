import type { Bucket } from '../bucket/bucket.js'
import { expireDue } from '../commit/expiry.js'
import { changesOf, checkObject, type Input } from '../commit/changes.js'
import type { WriteAccess } from '../commit/write-access.js'
import { checkVersion, keyOfNew, MAX_ATTEMPTS } from '../commit/writes.js'
import type { Engine } from '../engine.js'
import {
  DuplicateKeyError, RecordExistsError, RecordNotFoundError, TransactionConflictError
} from '../errors.js'
import { bothOf } from '../filter/filter.js'
import { Groups } from '../query/aggregate.js'
import { countNow } from '../query/count.js'
import { select, visibility, visitMatches, type Selection } from '../query/visit.js'
import type { OperationBudget } from '../schema/size.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import type { Changes, UpsertOptions, WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { Aggregate, GroupByResult } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { followDelete } from './follow-delete.js'
import type { Overlay } from './overlay.js'
import type { ReadSet } from './read-set.js'

/** A record with its place in the order of results. */
interface Placed {
  readonly place: number
  readonly record: StoreRecord
}

/** A bucket as a transaction sees it: with its own writes, which no other reader sees before the commit. */
export class TransactionBucketHandle {
  readonly #engine: Engine
  readonly #bucket: Bucket
  readonly #reads: ReadSet
  readonly #overlay: Overlay
  readonly #overlayOf: (bucket: Bucket) => Overlay
  readonly #assertOpen: () => void
  readonly #access: WriteAccess
  readonly #budget: OperationBudget
  #calls = 0
  #turn: Promise<void> | undefined

  /** Made by `TransactionContext.bucket`. */
  constructor (
    engine: Engine, reads: ReadSet, overlay: Overlay, overlayOf: (bucket: Bucket) => Overlay,
    assertOpen: () => void, access: WriteAccess, budget: OperationBudget
  ) {
    this.#engine = engine
    this.#bucket = overlay.bucket
    this.#reads = reads
    this.#overlay = overlay
    this.#overlayOf = overlayOf
    this.#assertOpen = assertOpen
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
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    return await this.#insert(data)
  }

  /** @throws RecordNotFoundError, VersionMismatchError for another version than `expectedVersion` */
  async update (
    key: unknown, changes: Changes, options: Pick<WriteOptions, 'expectedVersion'> = {}
  ): Promise<StoreRecord> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    return await this.#update(key, changes, options.expectedVersion)
  }

  /** Deletes a record; one that does not exist is passed over, unless a version of it is expected. */
  async delete (key: unknown, options: Pick<WriteOptions, 'expectedVersion'> = {}): Promise<void> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    await this.#delete(key, options.expectedVersion)
  }

  async insertMany (data: Array<Record<string, unknown>>): Promise<StoreRecord[]> {
    const records: StoreRecord[] = []
    for (const item of data) {
      for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
      const made = this.#insert(item)
      records.push(made instanceof Promise ? await made : made)
    }
    return records
  }

  async updateMany (filter: WhereFilter, changes: Record<string, unknown>): Promise<number> {
    const records = await this.#collect(filter)
    for (const record of records) {
      for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
      const updated = this.#update(record[this.#bucket.schema.key], changes)
      if (updated instanceof Promise) await updated
    }
    return records.length
  }

  async deleteMany (filter: WhereFilter): Promise<number> {
    const records = await this.#collect(filter)
    for (const record of records) {
      for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
      await this.#delete(record[this.#bucket.schema.key])
    }
    return records.length
  }

  async upsert (
    data: Record<string, unknown>, options: Pick<UpsertOptions, 'expectedVersion' | 'update'> = {}
  ): Promise<StoreRecord> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    checkObject(this.#bucket, data)
    const key = data[this.#bucket.schema.key]
    if (key !== undefined && this.#read(key) !== undefined) {
      return await this.#update(key, options.update ?? data, options.expectedVersion)
    }
    checkVersion(this.#bucket, key, undefined, options.expectedVersion)
    return await this.#insert(data)
  }

  async get (key: unknown): Promise<StoreRecord | undefined> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    const record = this.#read(key)
    return record !== undefined && this.#access.includes(this.#bucket, record) ? record : undefined
  }

  async all (): Promise<StoreRecord[]> {
    return await this.#collect(undefined)
  }

  async where (filter: WhereFilter): Promise<StoreRecord[]> {
    return await this.#collect(filter)
  }

  async findOne (filter: WhereFilter): Promise<StoreRecord | undefined> {
    const found: Placed[] = []
    await this.#visit(filter, false, placed => {
      found.push(placed)
      return false
    })
    return found[0]?.record
  }

  async count (filter?: WhereFilter): Promise<number> {
    this.#open()
    const selection = select(this.#bucket, bothOf(this.#access.scope, filter))
    let count = countNow(this.#engine, selection)
    if (count === undefined) {
      count = 0
      await this.#visit(filter, true, () => {
        count = (count as number) + 1
        return undefined
      })
      return count
    }
    this.#notePredicate(selection, true)
    const matches = (record: StoreRecord | undefined): boolean =>
      record !== undefined && (selection.filter === undefined || selection.filter.test(record))
    this.#access.work?.take(this.#overlay.size)
    for (const { key, after } of this.#overlay.steps()) {
      count += Number(matches(after)) - Number(matches(this.#bucket.contents.rows.get(key)?.record))
    }
    return count
  }

  async groupBy (
    field: string | string[], aggregate: Aggregate, filter?: WhereFilter
  ): Promise<GroupByResult[]> {
    const fields = typeof field === 'string' ? [field] : [...field]
    const groups = new Groups(fields, aggregate, this.#bucket.schema.normalizeOf)
    await this.#visit(filter, false, ({ record }) => {
      groups.add(record)
      return undefined
    })
    return await groups.results(this.#engine.slicer)
  }

  /** Lets others have a turn, when the calls have taken all of this one. Calls go on in their order. */
  #pause (): Promise<void> | undefined {
    if (this.#turn !== undefined) return this.#turn
    this.#turn = this.#engine.slicer.pause(++this.#calls)?.then(() => { this.#turn = undefined })
    return this.#turn
  }

  #open (): void {
    this.#assertOpen()
    expireDue(this.#engine, this.#bucket)
  }

  #read (key: unknown): StoreRecord | undefined {
    this.#open()
    const wanted = this.#bucket.keyOf(key)
    const written = this.#overlay.get(wanted)
    if (written !== undefined) return written.after
    const record = this.#stored(wanted)
    this.#reads.addRecord(this.#bucket, wanted, record)
    return record
  }

  /** The record of the store; hidden when its time is up. */
  #stored (key: unknown): StoreRecord | undefined {
    const record = this.#bucket.contents.rows.get(key)?.record
    return record !== undefined && visibility(this.#engine, this.#bucket)(record) ? record : undefined
  }

  #insert (data: Input, attempt = 1): StoreRecord | Promise<StoreRecord> {
    this.#open()
    const bucket = this.#bucket
    if (bucket.schema.hasFunctions) this.#engine.checks.assertRoom(this.name)
    checkObject(bucket, data)
    if (attempt === 1) this.#access.takeWrites(1)
    const { key: field } = bucket.schema
    const pending: PendingCheck[] = []
    const record = bucket.prepareInsert(
      data, this.#engine.now, number => this.#overlay.has(number), pending
    )
    this.#budget.add(this.name, bucket.inputBytes)
    const key = keyOfNew(bucket, record)
    const written = this.#overlay.get(key)
    if (written?.after !== undefined) throw new DuplicateKeyError(this.name, record[field], field)
    if (written === undefined && this.#read(key) !== undefined) {
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
    this.#open()
    const bucket = this.#bucket
    if (bucket.schema.hasFunctions) this.#engine.checks.assertRoom(this.name)
    if (typeof changes !== 'function') checkObject(bucket, changes)
    const existing = this.#read(key)
    if (existing === undefined) {
      checkVersion(bucket, key, existing, expectedVersion)
      throw new RecordNotFoundError(this.name, key)
    }
    this.#access.check(bucket, existing)
    checkVersion(bucket, key, existing, expectedVersion)
    if (attempt === 1) this.#access.takeWrites(1)
    const pending: PendingCheck[] = []
    const made = changesOf(bucket, changes, existing)
    const after = bucket.prepareUpdate(existing, made, this.#engine.now, pending)
    this.#budget.add(this.name, bucket.inputBytes)
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
    this.#open()
    const isSame = this.#overlay.get(key)?.after === before && !this.#overlay.has(key) === isFirst
    if (isSame) return write()
    if (attempt < MAX_ATTEMPTS) return await again()
    throw new TransactionConflictError(this.name, key, 'Its own writes of the key overtake one another')
  }

  #delete (key: unknown, expectedVersion?: number): Promise<void> | undefined {
    this.#open()
    const existing = this.#read(key)
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

  async #collect (filter: WhereFilter | undefined): Promise<StoreRecord[]> {
    const records: StoreRecord[] = []
    await this.#visit(filter, false, ({ record }) => {
      records.push(record)
      return undefined
    })
    return records
  }

  /**
   * Visits the records that match in order: those of the store at one moment, with the writes of this
   * transaction on top.
   */
  async #visit (
    filter: WhereFilter | undefined, isCount: boolean, visit: (placed: Placed) => boolean | undefined
  ): Promise<void> {
    this.#open()
    const selection = select(this.#bucket, bothOf(this.#access.scope, filter))
    this.#access.work?.take(this.#overlay.size)
    this.#notePredicate(selection, isCount)
    const written = this.#writtenMatches(selection)
    let next = 0
    let isStopped = false
    const overlay = new Set(Array.from(this.#overlay.steps(), ({ key }) => key))
    await visitMatches(this.#engine, selection, (record, row) => {
      if (overlay.has(row.key)) return undefined
      for (; !isStopped && next < written.length && (written[next] as Placed).place < row.place; next++) {
        isStopped = visit(written[next] as Placed) === false
      }
      if (!isStopped) isStopped = visit({ place: row.place, record }) === false
      return !isStopped
    }, this.#access.work && { meter: this.#access.work })
    for (; !isStopped && next < written.length; next++) isStopped = visit(written[next] as Placed) === false
  }

  /** Own writes that match, in the order of results: updated records in their place, new ones at the end. */
  #writtenMatches ({ filter }: Selection): Placed[] {
    const placed: Placed[] = []
    for (const { key, after } of this.#overlay.steps()) {
      if (after === undefined || filter?.test(after) === false) continue
      placed.push({ place: this.#bucket.contents.rows.get(key)?.place ?? Infinity, record: after })
    }
    return placed.sort((a, b) => a.place === b.place ? 0 : a.place - b.place)
  }

  #notePredicate ({ filter }: Selection, isCount: boolean): void {
    const { history: { position }, now: time } = this.#engine
    this.#reads.addPredicate({ bucket: this.#bucket, test: filter?.test, isCount, position, time })
  }
}
