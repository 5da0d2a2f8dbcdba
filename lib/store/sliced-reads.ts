import type {
  BucketDefinition, GroupByResult, PaginatedResult, PaginateOptions, QueryBucket, StoreRecord, WhereFilter
} from '@hamicek/noex-store'
import { Aggregate } from './aggregates.js'
import { compileFilter, isOperators } from './compiled-filter.js'
import { computeGroups, type GroupAggregate } from './group-by.js'
import { confine, visible } from './row-filter.js'
import { Ordering, sortInSlices } from './sort.js'
import type { Work } from './work.js'

/** Records that are listed, and not looked at, in about the time of one condition. */
const RECORDS_LISTED_PER_UNIT = 10

/** Records, and the part of a filter that is still to be compared with them. */
export interface Candidates {
  readonly records: readonly StoreRecord[]
  readonly rest: WhereFilter
}

/**
 * The reads of a bucket for a request, as if it held nothing but the records that match `rows`. Answers are
 * those of the
 * store, but what takes time with the number of records is done here: in slices, over the records of one
 * moment, counted
 * as `work`.
 * `handle` is to be used at once, so this is too.
 */
export class SlicedReads implements QueryBucket {
  readonly #handle: QueryBucket
  readonly #definition: BucketDefinition
  readonly #rows: WhereFilter | undefined
  readonly #work: Work

  constructor (handle: QueryBucket, definition: BucketDefinition, rows: WhereFilter | undefined, work: Work) {
    this.#handle = handle
    this.#definition = definition
    this.#rows = rows
    this.#work = work
  }

  async get (key: unknown): Promise<StoreRecord | undefined> {
    return visible(await this.#handle.get(key), this.#rows)
  }

  async all (): Promise<StoreRecord[]> {
    return await this.#matching({})
  }

  async where (filter: WhereFilter): Promise<StoreRecord[]> {
    return await this.#matching(filter)
  }

  async findOne (filter: WhereFilter): Promise<StoreRecord | undefined> {
    const { records, rest } = await this.#candidates(confine(this.#rows, filter))
    let found: StoreRecord | undefined
    await eachMatch(records, rest, this.#work, record => {
      found = record
      return false
    })
    return found
  }

  async count (filter?: WhereFilter): Promise<number> {
    if (filter === undefined && this.#rows === undefined) return await this.#handle.count()
    return (await this.#matching(filter)).length
  }

  /** The names of these that are members of a record; `undefined` where there is no record at all. */
  async membersAmong (names: ReadonlySet<string>): Promise<ReadonlySet<string> | undefined> {
    const { records, rest } = await this.#candidates(confine(this.#rows))
    let found: Set<string> | undefined
    await eachMatch(records, rest, this.#work, record => {
      found ??= new Set()
      for (const name of names) if (Object.hasOwn(record, name)) found.add(name)
      return found.size < names.size
    })
    return found
  }

  /** The first `n` records that match, in the order of the bucket. */
  async first (n: number, filter: WhereFilter = {}): Promise<StoreRecord[]> {
    return (await this.#among(await this.#inOrder(), filter)).slice(0, n)
  }

  /** The last `n` records that match, in the order of the bucket. */
  async last (n: number, filter: WhereFilter = {}): Promise<StoreRecord[]> {
    return (await this.#among(await this.#inOrder(), filter)).slice(-n)
  }

  /**
   * The next records that match, in the order of the bucket. The one whose key is `after` need not match any
   * more: who works through a list changes what has been listed.
   */
  async paginate ({ after, limit }: PaginateOptions, filter: WhereFilter = {}): Promise<PaginatedResult> {
    const { key } = this.#definition
    const all = await this.#inOrder()
    const cursor = after === undefined ? -1 : all.findIndex(record => record[key] === after)
    // A cursor that is gone, or out of sight, ends the walk: where it stood is not known.
    const start = after === undefined ? 0 : cursor === -1 ? all.length : cursor + 1
    const rest = await this.#among(all.slice(start), filter)
    const records = rest.slice(0, limit)
    return { records, hasMore: rest.length > limit, nextCursor: records.at(-1)?.[key] }
  }

  async sum (field: string, filter?: WhereFilter): Promise<number> {
    return (await this.#aggregate(field, filter)).result('sum') as number
  }

  async avg (field: string, filter?: WhereFilter): Promise<number> {
    return (await this.#aggregate(field, filter)).result('avg') as number
  }

  async min (field: string, filter?: WhereFilter): Promise<number | undefined> {
    return (await this.#aggregate(field, filter)).result('min')
  }

  async max (field: string, filter?: WhereFilter): Promise<number | undefined> {
    return (await this.#aggregate(field, filter)).result('max')
  }

  async groupBy (
    field: string | string[], aggregate: GroupAggregate, filter?: WhereFilter
  ): Promise<GroupByResult[]> {
    return await computeGroups(await this.#matching(filter), field, aggregate, this.#work)
  }

  async #among (records: readonly StoreRecord[], filter: WhereFilter): Promise<readonly StoreRecord[]> {
    return Object.keys(filter).length === 0 ? records : await matching(records, filter, this.#work)
  }

  async #matching (filter: WhereFilter | undefined): Promise<StoreRecord[]> {
    const { records, rest } = await this.#candidates(confine(this.#rows, filter))
    return await matching(records, rest, this.#work)
  }

  async #aggregate (field: string, filter: WhereFilter | undefined): Promise<Aggregate> {
    const aggregate = new Aggregate(field)
    const records = await this.#matching(filter)
    this.#work.take(records.length)
    await this.#work.each(records, 1, record => { aggregate.add(record) })
    return aggregate
  }

  async #candidates (filter: WhereFilter): Promise<Candidates> {
    return await candidates(this.#handle, this.#definition, filter)
  }

  /** All visible records in the order of `first`, `last` and `paginate`. */
  async #inOrder (): Promise<readonly StoreRecord[]> {
    const all = await this.#handle.all()
    // No index serves here: it has an order of its own.
    const records = this.#rows === undefined ? all : await matching(all, this.#rows, this.#work)
    if (this.#rows === undefined) this.#work.take(Math.ceil(all.length / RECORDS_LISTED_PER_UNIT))
    return this.#definition.etsType === 'ordered_set' ? await this.#sorted(records) : records
  }

  async #sorted (records: readonly StoreRecord[]): Promise<readonly StoreRecord[]> {
    const { key } = this.#definition
    const keys = new Ordering()
    for (const record of records) keys.add(record[key])
    const compare = (a: StoreRecord, b: StoreRecord): number => compareKeys(a[key], b[key])
    // Where the store's order contradicts itself, only its own way leads to the same outcome.
    return keys.isOrder ? await sortInSlices(records, compare, this.#work) : [...records].sort(compare)
  }
}

/**
 * The records among which those that match are found, as noex-store finds them: the first field that must
 * equal a value
 * and has an index serves, and then nothing but that field's records are looked at.
 */
export async function candidates (
  handle: Pick<QueryBucket, 'all' | 'where'>, definition: BucketDefinition, filter: WhereFilter
): Promise<Candidates> {
  const { indexes = [], schema } = definition
  for (const [field, value] of Object.entries(filter)) {
    if (field === '$or' || field === '$and' || isOperators(value)) continue
    if (!indexes.includes(field) && schema[field]?.unique !== true) continue
    const { [field]: _, ...rest } = filter
    return { records: await handle.where({ [field]: value }), rest }
  }
  return { records: await handle.all(), rest: filter }
}

/** The order of keys in an `ordered_set`, as the store has it. */
export function compareKeys (a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
}

/** The records that match, in slices. @throws `VALIDATION_ERROR` when that is too much work */
export async function matching (
  records: readonly StoreRecord[], filter: WhereFilter, work: Work
): Promise<StoreRecord[]> {
  if (Object.keys(filter).length === 0) {
    work.take(records.length)
    // The store has made the array for this read.
    return records as StoreRecord[]
  }
  const found: StoreRecord[] = []
  await eachMatch(records, filter, work, record => { found.push(record) })
  return found
}

/** Calls `visit` with each record that matches, in slices, until it returns `false`. */
export async function eachMatch (
  records: readonly StoreRecord[], filter: WhereFilter, work: Work, visit: (record: StoreRecord) => unknown
): Promise<void> {
  const { matches, conditions, searchesTexts, takeTextUnits } = compileFilter(filter)
  work.take(records.length * conditions)
  await work.each(records, searchesTexts ? Infinity : conditions, record => {
    const isMatch = matches(record)
    if (searchesTexts) work.take(takeTextUnits())
    return isMatch ? visit(record) : undefined
  })
}
