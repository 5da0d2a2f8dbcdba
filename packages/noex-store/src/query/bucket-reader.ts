import type { Bucket } from '../bucket/bucket.js'
import { compareKeys } from '../bucket/compare-keys.js'
import type { Visit } from '../bucket/snapshot.js'
import { expireDue } from '../commit/expiry.js'
import type { Engine } from '../engine.js'
import { bothOf } from '../filter/filter.js'
import { MIN_ORDERED } from '../filter/planner.js'
import { requestOrder } from '../index/build-ordered.js'
import { sortInSlices } from '../scan/sort.js'
import type { AccessOptions, WorkMeter } from '../types/access.js'
import type { WhereFilter } from '../types/filter.js'
import type {
  Aggregate, AggregateFunction, GroupByResult, PaginatedResult, PaginateOptions, QueryBucket
} from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { accumulate, Groups } from './aggregate.js'
import { countNow } from './count.js'
import { findByField } from './find-by-field.js'
import { select, visibility, visitFrom, visitMatches, type Visiting } from './visit.js'
import { meterOf, unitsOfList, unitsOfSort } from './work.js'

/** Records of one answer that are gathered at once; more are gathered in slices. */
const MAX_AT_ONCE = 20_000

/** Records between two looks at the clock while they are grouped: by texts, which may be long. */
const GROUP_STEP = 16

/**
 * The reads of a bucket, confined to the records that match `scope` and counted by `work`. Each sees the bucket
 * as it was at the moment of the call; what takes long is done in slices, so that it holds up nothing else.
 */
export class BucketReader implements QueryBucket {
  readonly #engine: Engine
  readonly #name: string
  readonly #scope: WhereFilter | undefined
  readonly #work: WorkMeter | undefined

  constructor (engine: Engine, name: string, { scope, work }: AccessOptions = {}) {
    this.#engine = engine
    this.#name = name
    this.#scope = scope
    this.#work = work
  }

  async get (key: unknown): Promise<StoreRecord | undefined> {
    const bucket = this.#open()
    const record = bucket.row(key)?.record
    if (record === undefined || !visibility(this.#engine, bucket)(record)) return undefined
    return this.#isInScope(bucket, record) ? record : undefined
  }

  async all (): Promise<StoreRecord[]> {
    return await this.#collect(undefined)
  }

  async where (filter: WhereFilter): Promise<StoreRecord[]> {
    const bucket = this.#open()
    if (this.#scope === undefined && !bucket.hasOverdue) {
      const rows = findByField(bucket, filter)
      if (rows !== undefined) {
        this.#work?.take(rows.length)
        return rows.map(row => row.record as StoreRecord)
      }
    }
    return await this.#collect(filter)
  }

  async findOne (filter: WhereFilter): Promise<StoreRecord | undefined> {
    let found: StoreRecord | undefined
    await this.#visit(filter, record => {
      found = record
      return false
    })
    return found
  }

  async count (filter?: WhereFilter): Promise<number> {
    const bucket = this.#open()
    const known = countNow(select(bucket, bothOf(this.#scope, filter)))
    if (known !== undefined) return known
    let count = 0
    await this.#visit(filter, () => {
      count++
      return undefined
    })
    return count
  }

  async first (n: number, filter?: WhereFilter): Promise<StoreRecord[]> {
    const limit = limitOf(n)
    return limit === 0 ? [] : (await this.#page(undefined, limit, filter)).records
  }

  async last (n: number, filter?: WhereFilter): Promise<StoreRecord[]> {
    const limit = limitOf(n)
    const bucket = this.#open()
    const wanted = bothOf(this.#scope, filter)
    if (wanted !== undefined || bucket.hasOverdue || limit > MAX_AT_ONCE) {
      const records = await this.#inKeyOrder(bucket, await this.#collect(filter))
      return limit === 0 ? [] : records.slice(-limit)
    }
    this.#meter().take(unitsOfList(Math.min(limit, bucket.size)))
    const records: StoreRecord[] = []
    for (const row of bucket.contents.byKey?.backwards() ?? bucket.contents.sequence.backwards()) {
      if (records.length >= limit) break
      records.push(row.record as StoreRecord)
    }
    return records.reverse()
  }

  async paginate ({ after, limit, filter }: PaginateOptions): Promise<PaginatedResult> {
    return await this.#page(after, limitOf(limit), filter)
  }

  async sum (field: string, filter?: WhereFilter): Promise<number> {
    return await this.#aggregate('sum', field, filter) as number
  }

  async avg (field: string, filter?: WhereFilter): Promise<number> {
    return await this.#aggregate('avg', field, filter) as number
  }

  async min (field: string, filter?: WhereFilter): Promise<number | undefined> {
    return this.#end(field, filter, 0) ?? await this.#aggregate('min', field, filter)
  }

  async max (field: string, filter?: WhereFilter): Promise<number | undefined> {
    return this.#end(field, filter, 1) ?? await this.#aggregate('max', field, filter)
  }

  async groupBy (
    field: string | string[], aggregate: Aggregate, filter?: WhereFilter
  ): Promise<GroupByResult[]> {
    const fields = typeof field === 'string' ? [field] : [...field]
    const { normalizeOf } = this.#open().schema
    const groups = new Groups(fields, aggregate, normalizeOf)
    await this.#visit(filter, record => {
      groups.add(record)
      return undefined
    }, { perMatch: fields.length + 1, step: GROUP_STEP })
    return await groups.results(this.#engine.slicer)
  }

  #open (): Bucket {
    const bucket = this.#engine.bucket(this.#name)
    expireDue(this.#engine, bucket)
    return bucket
  }

  /** Counts one read. */
  #meter (): WorkMeter {
    return meterOf(this.#engine, this.#name, this.#work)
  }

  #isInScope (bucket: Bucket, record: StoreRecord): boolean {
    if (this.#scope === undefined) return true
    const { filter } = select(bucket, this.#scope)
    if (filter === undefined) return true
    this.#work?.take(Math.max(1, filter.work))
    return filter.test(record)
  }

  #visit (
    filter: WhereFilter | undefined, visit: Visit, visiting: Omit<Visiting, 'meter'> = {}
  ): Promise<void> | undefined {
    const selection = select(this.#open(), bothOf(this.#scope, filter))
    return visitMatches(this.#engine, selection, visit, { ...visiting, meter: this.#meter() })
  }

  async #collect (filter: WhereFilter | undefined): Promise<StoreRecord[]> {
    const records: StoreRecord[] = []
    await this.#visit(filter, record => {
      records.push(record)
      return undefined
    })
    return records
  }

  async #aggregate (
    name: AggregateFunction, field: string, filter: WhereFilter | undefined
  ): Promise<number | undefined> {
    const accumulator = accumulate({ function: name, field })
    await this.#visit(filter, record => {
      accumulator.add(record)
      return undefined
    }, { perMatch: 1 })
    return accumulator.result()
  }

  /** The lowest (0) or highest (1) number of a field, when an ordered index has it at hand. */
  #end (field: string, filter: WhereFilter | undefined, side: 0 | 1): number | undefined {
    const bucket = this.#open()
    if (filter !== undefined || this.#scope !== undefined || bucket.hasOverdue) return undefined
    const index = bucket.contents.byField.get(field)
    if (index?.options.scalarType !== 'number' || index.options.normalize !== undefined) return undefined
    if (bucket.size > MIN_ORDERED) requestOrder(this.#engine, bucket, index)
    const end = index.ordered?.ends?.[side] as number | undefined
    return Number.isFinite(end) ? end : undefined
  }

  async #page (after: unknown, limit: number, filter: WhereFilter | undefined): Promise<PaginatedResult> {
    const bucket = this.#open()
    const rows = bucket.contents.byKey === undefined
      ? await this.#rowsFrom(bucket, after, limit + 1, filter)
      : await this.#rowsByKey(bucket, after, limit + 1, filter)
    const records = rows.slice(0, limit)
    return { records, hasMore: rows.length > limit, nextCursor: records.at(-1)?.[bucket.schema.key] }
  }

  async #rowsFrom (
    bucket: Bucket, after: unknown, limit: number, filter: WhereFilter | undefined
  ): Promise<StoreRecord[]> {
    const start = after === undefined ? 0 : this.#placeAfter(bucket, after)
    const records: StoreRecord[] = []
    // A key that was never seen ends the walk.
    if (start === undefined) return records
    const wanted = bothOf(this.#scope, filter)
    if (wanted === undefined && !bucket.hasOverdue && limit <= MAX_AT_ONCE) {
      this.#meter().take(unitsOfList(Math.min(limit - 1, bucket.size)))
      for (const row of bucket.contents.sequence.from(start)) {
        if (records.push(row.record as StoreRecord) >= limit) break
      }
      return records
    }
    const visit: Visit = record => records.push(record) < limit
    await visitFrom(this.#engine, select(bucket, wanted), start, visit, { meter: this.#meter() })
    return records
  }

  /**
   * The place after the record of a key, also of a deleted one that is still known. Where a scope holds, the
   * record must be there and in it: else a cursor would tell of records that do not exist for the reader.
   */
  #placeAfter (bucket: Bucket, key: unknown): number | undefined {
    const row = bucket.row(key)
    if (this.#scope !== undefined) {
      return row !== undefined && this.#isInScope(bucket, row.record as StoreRecord) ? row.place + 1 : undefined
    }
    const place = row?.place ?? bucket.deleted.get(bucket.keyOf(key))?.place
    return place === undefined ? undefined : place + 1
  }

  async #rowsByKey (
    bucket: Bucket, after: unknown, limit: number, filter: WhereFilter | undefined
  ): Promise<StoreRecord[]> {
    const cursor = bucket.keyOf(after)
    const byKey = bucket.contents.byKey as NonNullable<typeof bucket.contents.byKey>
    const wanted = bothOf(this.#scope, filter)
    if (wanted !== undefined || bucket.hasOverdue || limit > MAX_AT_ONCE) {
      const records = await this.#inKeyOrder(bucket, await this.#collect(filter))
      const from = after === undefined
        ? 0
        : records.findIndex(record => compareKeys(bucket.keyIn(record), cursor) > 0)
      return from === -1 ? [] : records.slice(from, from + limit)
    }
    this.#meter().take(unitsOfList(Math.min(limit - 1, bucket.size)))
    const place = bucket.row(after)?.place ?? Infinity
    const records: StoreRecord[] = []
    for (const row of after === undefined ? byKey.range({}) : byKey.after(cursor as string, place)) {
      if (records.push(row.record as StoreRecord) >= limit) break
    }
    return records
  }

  async #inKeyOrder (bucket: Bucket, records: StoreRecord[]): Promise<StoreRecord[]> {
    if (bucket.contents.byKey === undefined) return records
    this.#meter().take(unitsOfSort(records.length))
    return await sortInSlices(
      records, (a, b) => compareKeys(bucket.keyIn(a), bucket.keyIn(b)), this.#engine.slicer
    )
  }
}

function limitOf (n: unknown): number {
  if (n === Infinity) return Number.MAX_SAFE_INTEGER
  return typeof n === 'number' && n > 0 ? Math.floor(n) : 0
}
