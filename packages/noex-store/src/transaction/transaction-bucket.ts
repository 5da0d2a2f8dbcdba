import type { Bucket } from '../bucket/bucket.js'
import { expireDue } from '../commit/expiry.js'
import { checkObject, checkVersion, keyOfNew, type Input } from '../commit/writes.js'
import type { Engine } from '../engine.js'
import { DuplicateKeyError, RecordExistsError, RecordNotFoundError } from '../errors.js'
import { countNow } from '../query/count.js'
import { select, visibility, visitMatches, type Selection } from '../query/visit.js'
import type { WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
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
  readonly #assertOpen: () => void
  #calls = 0
  #turn: Promise<void> | undefined

  /** Made by `TransactionContext.bucket`. */
  constructor (engine: Engine, bucket: Bucket, reads: ReadSet, overlay: Overlay, assertOpen: () => void) {
    this.#engine = engine
    this.#bucket = bucket
    this.#reads = reads
    this.#overlay = overlay
    this.#assertOpen = assertOpen
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
    return this.#insert(data)
  }

  /** @throws RecordNotFoundError, TransactionConflictError for another version than `expectedVersion` */
  async update (
    key: unknown, changes: Record<string, unknown>, options: Pick<WriteOptions, 'expectedVersion'> = {}
  ): Promise<StoreRecord> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    return this.#update(key, changes, options.expectedVersion)
  }

  /** Deletes a record; one that does not exist is passed over, unless a version of it is expected. */
  async delete (key: unknown, options: Pick<WriteOptions, 'expectedVersion'> = {}): Promise<void> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    this.#delete(key, options.expectedVersion)
  }

  async insertMany (data: Array<Record<string, unknown>>): Promise<StoreRecord[]> {
    const records: StoreRecord[] = []
    for (const item of data) {
      for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
      records.push(this.#insert(item))
    }
    return records
  }

  async updateMany (filter: WhereFilter, changes: Record<string, unknown>): Promise<number> {
    const records = await this.#collect(filter)
    for (const record of records) {
      for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
      this.#update(record[this.#bucket.schema.key], changes)
    }
    return records.length
  }

  async deleteMany (filter: WhereFilter): Promise<number> {
    const records = await this.#collect(filter)
    for (const record of records) {
      for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
      this.#delete(record[this.#bucket.schema.key])
    }
    return records.length
  }

  async upsert (data: Record<string, unknown>): Promise<StoreRecord> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    checkObject(this.#bucket, data)
    const key = data[this.#bucket.schema.key]
    return key !== undefined && this.#read(key) !== undefined ? this.#update(key, data) : this.#insert(data)
  }

  async get (key: unknown): Promise<StoreRecord | undefined> {
    for (let turn = this.#pause(); turn !== undefined; turn = this.#pause()) await turn
    return this.#read(key)
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
    const selection = select(this.#bucket, filter)
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
    for (const [key, { after }] of this.#overlay.entries()) {
      count += Number(matches(after)) - Number(matches(this.#bucket.contents.rows.get(key)?.record))
    }
    return count
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

  #insert (data: Input): StoreRecord {
    this.#open()
    checkObject(this.#bucket, data)
    const record = this.#bucket.prepareInsert(data, this.#engine.now, number => this.#overlay.has(number))
    const key = keyOfNew(this.#bucket, record)
    const written = this.#overlay.get(key)
    const shown = record[this.#bucket.schema.key]
    if (written?.after !== undefined) throw new DuplicateKeyError(this.name, shown)
    if (written === undefined && this.#read(key) !== undefined) throw new RecordExistsError(this.name, shown)
    // In the place of a record that this transaction has deleted: one change of the key in all.
    const version = written?.before === undefined ? record._version : written.before._version + 1
    const inserted = version === record._version ? record : Object.freeze({ ...record, _version: version })
    this.#overlay.set(key, written === undefined ? undefined : written.before, inserted)
    return inserted
  }

  #update (key: unknown, changes: Input, expectedVersion?: number): StoreRecord {
    this.#open()
    checkObject(this.#bucket, changes)
    const existing = this.#read(key)
    if (existing === undefined) throw new RecordNotFoundError(this.name, key)
    checkVersion(this.#bucket, key, existing, expectedVersion)
    const wanted = this.#bucket.keyOf(key)
    const written = this.#overlay.get(wanted)
    const after = this.#bucket.prepareUpdate(existing, changes, this.#engine.now)
    this.#overlay.set(wanted, written === undefined ? existing : written.before, after)
    return after
  }

  #delete (key: unknown, expectedVersion?: number): void {
    this.#open()
    const existing = this.#read(key)
    checkVersion(this.#bucket, key, existing, expectedVersion)
    if (existing === undefined) return
    const wanted = this.#bucket.keyOf(key)
    const written = this.#overlay.get(wanted)
    this.#overlay.set(wanted, written === undefined ? existing : written.before, undefined)
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
    const selection = select(this.#bucket, filter)
    this.#notePredicate(selection, isCount)
    const written = this.#writtenMatches(selection)
    let next = 0
    let isStopped = false
    const overlay = new Set(this.#overlay.entries().map(([key]) => key))
    await visitMatches(this.#engine, selection, (record, row) => {
      if (overlay.has(row.key)) return undefined
      for (; !isStopped && next < written.length && (written[next] as Placed).place < row.place; next++) {
        isStopped = visit(written[next] as Placed) === false
      }
      if (!isStopped) isStopped = visit({ place: row.place, record }) === false
      return !isStopped
    })
    for (; !isStopped && next < written.length; next++) isStopped = visit(written[next] as Placed) === false
  }

  /** Own writes that match, in the order of results: updated records in their place, new ones at the end. */
  #writtenMatches ({ filter }: Selection): Placed[] {
    const placed: Placed[] = []
    for (const [key, { after }] of this.#overlay.entries()) {
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
