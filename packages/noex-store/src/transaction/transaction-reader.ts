import type { Bucket } from '../bucket/bucket.js'
import { expireDue } from '../commit/expiry.js'
import type { WriteAccess } from '../write/write-access.js'
import type { Engine } from '../commit/engine.js'
import { intersectFilters } from '../filter/filter.js'
import { Groups } from '../query/aggregate.js'
import { countNow } from '../query/count.js'
import { select, visibility, visitMatches, type Selection, type Visiting } from '../query/visit.js'
import { meterOf, TextWork } from '../query/work.js'
import type { WhereFilter } from '../types/filter.js'
import type { Aggregate, GroupByResult } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { Overlay } from './overlay.js'
import type { ReadSet } from './read-set.js'

/** A record with its place in the order of results. */
interface Placed {
  readonly place: number
  readonly record: StoreRecord
}

/** The reads of a bucket as a transaction sees it: each is noted, and checked in the step that commits. */
export class TransactionReader {
  readonly #engine: Engine
  readonly #bucket: Bucket
  readonly #reads: ReadSet
  readonly #overlay: Overlay
  readonly #assertOpen: () => void
  readonly #access: WriteAccess
  #calls = 0
  #turn: Promise<void> | undefined

  constructor (
    engine: Engine, reads: ReadSet, overlay: Overlay, assertOpen: () => void, access: WriteAccess
  ) {
    this.#engine = engine
    this.#bucket = overlay.bucket
    this.#reads = reads
    this.#overlay = overlay
    this.#assertOpen = assertOpen
    this.#access = access
  }

  async get (key: unknown): Promise<StoreRecord | undefined> {
    return await this.getSoon(key)
  }

  /** Does `get` at once, unless others are to have a turn first. */
  getSoon (key: unknown): StoreRecord | undefined | Promise<StoreRecord | undefined> {
    return this.inTurn(() => {
      const record = this.read(key)
      return record !== undefined && this.#access.includes(this.#bucket, record) ? record : undefined
    })
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
    for (let turn = this.pause(1); turn !== undefined; turn = this.pause(1)) await turn
    this.open()
    const selection = select(this.#bucket, intersectFilters(this.#access.scope, filter))
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
    const work = new TextWork(meterOf(this.#engine, this.#bucket.name, this.#access.work))
    const groups = new Groups(field, aggregate, this.#bucket.schema.normalizeOf, work)
    await this.#visit(filter, false, ({ record }) => {
      groups.add(record)
      return undefined
    }, groups.visiting)
    return await groups.results(this.#engine.slicer)
  }

  /**
   * Lets others have a turn, when the calls have taken all of this one, by a look at the clock at each
   * `every`th. Calls go on in their order.
   */
  protected pause (every = 32): Promise<void> | undefined {
    if (this.#turn !== undefined) return this.#turn
    this.#turn = this.#engine.slicer.pause(++this.#calls, every)?.then(() => { this.#turn = undefined })
    return this.#turn
  }

  /** Does `work` at once, or after the turn that others are to have. */
  protected inTurn<T> (work: () => T | Promise<T>): T | Promise<T> {
    const turn = this.pause()
    return turn === undefined ? work() : turn.then(() => this.inTurn(work))
  }

  protected open (): void {
    this.#assertOpen()
    expireDue(this.#engine, this.#bucket)
  }

  protected read (key: unknown): StoreRecord | undefined {
    this.open()
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
    return record !== undefined && visibility(this.#bucket)(record) ? record : undefined
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
    filter: WhereFilter | undefined, isCount: boolean, visit: (placed: Placed) => boolean | undefined,
    visiting: Visiting = {}
  ): Promise<void> {
    for (let turn = this.pause(1); turn !== undefined; turn = this.pause(1)) await turn
    this.open()
    const selection = select(this.#bucket, intersectFilters(this.#access.scope, filter))
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
    }, { ...visiting, ...(this.#access.work && { meter: this.#access.work }) })
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
    const { history: { position } } = this.#engine
    const { readAt: time } = this.#bucket
    this.#reads.addPredicate({ bucket: this.#bucket, test: filter?.test, isCount, position, time })
  }
}
