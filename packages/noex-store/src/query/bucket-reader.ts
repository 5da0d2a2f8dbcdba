import type { Bucket } from '../bucket/bucket.js'
import type { Visit } from '../bucket/snapshot.js'
import { expireDue } from '../commit/expiry.js'
import type { Engine } from '../commit/engine.js'
import { intersectFilters } from '../filter/filter.js'
import type { AccessOptions, WorkMeter } from '../types/access.js'
import type { WhereFilter } from '../types/filter.js'
import type {
  Aggregate, AggregateFunction, FindOptions, GroupByResult, PaginatedResult, PaginateOptions, QueryBucket
} from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import { accumulate, Groups } from './aggregate.js'
import { countNow } from './count.js'
import { extremeByIndex } from './extreme.js'
import { find } from './find.js'
import { findByField } from './find-by-field.js'
import { page, type PageBounds } from './page.js'
import { sortOrderOf } from './sort-order.js'
import { select, visibility, visitMatches, type Visiting } from './visit.js'
import { meterOf, TextWork } from './work.js'

/**
 * The reads of a bucket, confined to the records that match `scope` and counted by `work`. Each sees the
 * bucket as it was at the moment of the call; what takes long is done in slices, so that it holds up nothing
 * else.
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
    if (record === undefined || !visibility(bucket)(record)) return undefined
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

  /**
   * Finds a part of the records that match, sorted: the first ones by the ordered index of a field where
   * there is one, else without sorting all.
   */
  async find ({ filter, sort, offset, limit }: FindOptions): Promise<StoreRecord[]> {
    const bucket = this.#open()
    const order = sort && sortOrderOf(sort, bucket.schema.normalizeOf)
    const wanted = { order, offset: limitOf(offset), limit: limit === undefined ? ALL : limitOf(limit) }
    return await find(
      this.#engine,
      select(bucket, intersectFilters(this.#scope, filter)),
      wanted,
      this.#meter()
    )
  }

  async findOne (filter: WhereFilter): Promise<StoreRecord | undefined> {
    return (await this.find({ filter, limit: 1 }))[0]
  }

  async count (filter?: WhereFilter): Promise<number> {
    const bucket = this.#open()
    const known = countNow(this.#engine, select(bucket, intersectFilters(this.#scope, filter)))
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
    const selection = select(this.#open(), intersectFilters(this.#scope, filter))
    return await page(this.#engine, selection, { limit: limitOf(n), isLast: true }, this.#meter())
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
    return this.#extreme(field, filter, false) ?? await this.#aggregate('min', field, filter)
  }

  async max (field: string, filter?: WhereFilter): Promise<number | undefined> {
    return this.#extreme(field, filter, true) ?? await this.#aggregate('max', field, filter)
  }

  async groupBy (
    field: string | string[], aggregate: Aggregate, filter?: WhereFilter
  ): Promise<GroupByResult[]> {
    const { normalizeOf } = this.#open().schema
    const meter = this.#meter()
    const groups = new Groups(field, aggregate, normalizeOf, new TextWork(meter))
    await this.#visit(filter, record => {
      groups.add(record)
      return undefined
    }, { ...groups.visiting, meter })
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
    filter: WhereFilter | undefined, visit: Visit, visiting: Visiting = {}
  ): Promise<void> | undefined {
    const selection = select(this.#open(), intersectFilters(this.#scope, filter))
    return visitMatches(this.#engine, selection, visit, { meter: this.#meter(), ...visiting })
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

  #extreme (field: string, filter: WhereFilter | undefined, isHighest: boolean): number | undefined {
    const selection = select(this.#open(), intersectFilters(this.#scope, filter))
    return extremeByIndex(this.#engine, selection, field, isHighest, this.#meter())
  }

  async #page (after: unknown, limit: number, filter: WhereFilter | undefined): Promise<PaginatedResult> {
    const bucket = this.#open()
    if (after !== undefined && !this.#isCursor(bucket, after)) {
      return { records: [], hasMore: false, nextCursor: undefined }
    }
    const bounds = boundsAfter(bucket, after)
    const selection = select(bucket, intersectFilters(this.#scope, filter))
    // A key that was never seen ends the walk.
    const rows = bounds === undefined
      ? []
      : await page(this.#engine, selection, { ...bounds, limit: limit + 1 }, this.#meter())
    const records = rows.slice(0, limit)
    return { records, hasMore: rows.length > limit, nextCursor: records.at(-1)?.[bucket.schema.key] }
  }

  /**
   * Returns whether a page may begin after this key. Where a scope holds, its record must be there and in it:
   * else a cursor would tell of records that do not exist for the reader.
   */
  #isCursor (bucket: Bucket, key: unknown): boolean {
    if (this.#scope === undefined) return true
    const record = bucket.row(key)?.record
    return record !== undefined && visibility(bucket)(record) && this.#isInScope(bucket, record)
  }
}

/** The bounds of what comes after a key, also of a deleted one that is still known. */
function boundsAfter (bucket: Bucket, after: unknown): Omit<PageBounds, 'limit'> | undefined {
  if (after === undefined) return {}
  const key = bucket.keyOf(after)
  if (bucket.contents.byKey !== undefined) return { after: key }
  const place = bucket.row(after)?.place ?? bucket.deleted.get(key)?.place
  return place === undefined ? undefined : { place: place + 1 }
}

/** More records than there can be. */
const ALL = Number.MAX_SAFE_INTEGER

function limitOf (n: unknown): number {
  if (n === Infinity) return ALL
  return typeof n === 'number' && n > 0 ? Math.floor(n) : 0
}
