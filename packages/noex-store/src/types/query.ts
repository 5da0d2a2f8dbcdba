import type { WorkMeter } from './access.js'
import type { WhereFilter } from './filter.js'
import type { StoreRecord } from './record.js'

/** Bounds of a page. */
export interface PaginateOptions {
  /** Key of the record after which the page begins. Omit for the first page. */
  readonly after?: unknown
  /** Most records of the page. */
  readonly limit: number
  /**
   * Filter of the records of the page; the one of `after` need not match it.
   * @default all records
   */
  readonly filter?: WhereFilter | undefined
}

/** A page of records. */
export interface PaginatedResult {
  readonly records: StoreRecord[]
  readonly hasMore: boolean
  /** Key of the last record of the page, `undefined` for an empty one. */
  readonly nextCursor: unknown | undefined
}

/** Records and buckets that a query has read: a change of these can change its result. */
export interface QueryDependencies {
  /** Buckets read as a whole. */
  readonly bucketLevel: ReadonlySet<string>
  /** Keys read one by one, by bucket. */
  readonly recordLevel: ReadonlyMap<string, ReadonlySet<unknown>>
}

/** Function over the values of a field; `count` counts records. */
export type AggregateFunction = 'count' | 'sum' | 'avg' | 'min' | 'max'

/** Aggregate of the records that share the values of some fields. */
export interface GroupByResult {
  readonly key: Record<string, unknown>
  readonly value: number
}

/** Aggregate that a query as data returns. */
export interface Aggregate {
  readonly function: AggregateFunction
  /** Required for every function but `count`. */
  readonly field?: string
}

/** Fields to sort by, the first one first. */
export type Sort = Readonly<Record<string, 'asc' | 'desc'>>

/** Options of `find`. */
export interface FindOptions {
  /** @default all records */
  readonly filter?: WhereFilter | undefined
  /**
   * Numbers, booleans and dates come by size and before texts; null, absent and other values come last in
   * both directions; equal ones are in the order of insertion.
   * @default the order of insertion
   */
  readonly sort?: Sort | undefined
  /**
   * Records to pass over.
   * @default 0
   */
  readonly offset?: number | undefined
  /**
   * Most records.
   * @default all
   */
  readonly limit?: number | undefined
}

/** Reads of a bucket. */
export interface QueryBucket {
  get (key: unknown): Promise<StoreRecord | undefined>
  all (): Promise<StoreRecord[]>
  where (filter: WhereFilter): Promise<StoreRecord[]>
  /** Finds a part of the records that match, sorted. */
  find (options: FindOptions): Promise<StoreRecord[]>
  findOne (filter: WhereFilter): Promise<StoreRecord | undefined>
  count (filter?: WhereFilter): Promise<number>
  first (n: number, filter?: WhereFilter): Promise<StoreRecord[]>
  last (n: number, filter?: WhereFilter): Promise<StoreRecord[]>
  paginate (options: PaginateOptions): Promise<PaginatedResult>
  sum (field: string, filter?: WhereFilter): Promise<number>
  avg (field: string, filter?: WhereFilter): Promise<number>
  min (field: string, filter?: WhereFilter): Promise<number | undefined>
  max (field: string, filter?: WhereFilter): Promise<number | undefined>
  groupBy (field: string | string[], aggregate: Aggregate, filter?: WhereFilter): Promise<GroupByResult[]>
}

/** Gives a query its buckets, and notes what it reads. */
export interface QueryContext {
  bucket (name: string): QueryBucket
}

/** A query in code: reads buckets and returns its result. It runs again when what it has read changes. */
export type QueryFn<TParams = void, TResult = unknown> = TParams extends void
  ? (ctx: QueryContext) => Promise<TResult>
  : (ctx: QueryContext, params: TParams) => Promise<TResult>

/** Hears what a query reads, before it reads it. */
export interface ReadObserver {
  /** All records of the bucket count. */
  readonly onBucket: (bucket: string) => void
  /** Only this record counts. */
  readonly onRecord: (bucket: string, key: unknown) => void
}

/** Options of one run of a query. */
export interface QueryRunOptions extends Partial<ReadObserver> {
  /** Counts the work of the run instead of the store's `maxWork`, which holds for each read. */
  readonly work?: WorkMeter
}

/**
 * Returns the filter that all reads of a bucket are confined to, or `null`. What it throws refuses the
 * bucket: the query gets it where it opens the bucket.
 */
export type ReadFilter = (bucketName: string) => WhereFilter | null

/** A query as data. Values of `filter` may be `{{ params.NAME }}`: a run without NAME fails. */
export interface DeclarativeQueryConfig {
  readonly bucket: string
  readonly filter?: Readonly<WhereFilter>
  readonly sort?: Sort
  readonly limit?: number
  /** Records to pass over before `limit` counts. */
  readonly offset?: number
  /** Members that the result's records keep. */
  readonly fields?: readonly string[]
  readonly aggregate?: Aggregate & { readonly groupBy?: string | readonly string[] }
}

/** Whether a query is a function or data. */
export type QueryType = 'programmatic' | 'declarative'

/** Description of a query. */
export interface QueryInfo {
  readonly name: string
  readonly type: QueryType
  /** Present for declarative queries. */
  readonly config?: DeclarativeQueryConfig
  readonly activeSubscriptions: number
  /** Whether it came from a log, and this process has not defined it again. */
  readonly isRecovered: boolean
}
