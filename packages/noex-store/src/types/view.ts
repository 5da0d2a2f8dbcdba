import type { WorkMeter } from './access.js'
import type { WhereFilter } from './filter.js'
import type { Aggregate, Sort } from './query.js'
import type { StoreRecord } from './record.js'

/** The records, or the aggregate of them, that a view keeps up to date. */
export interface ViewConfig {
  readonly bucket: string
  /** @default all records */
  readonly filter?: WhereFilter
  /**
   * As that of `find`.
   * @default the order of insertion
   */
  readonly sort?: Sort
  /**
   * Records to pass over.
   * @default 0
   */
  readonly offset?: number
  /**
   * Most records.
   * @default all
   */
  readonly limit?: number
  /** A page whose bounds are places in the order, not counts. Excludes `offset`, `limit` and `aggregate`. */
  readonly page?: ViewPage
  /** Members that the records keep; none of them, or `undefined`, for all. */
  readonly fields?: readonly string[]
  /** Excludes `sort`, `offset`, `limit`, `page` and `fields`. */
  readonly aggregate?: Aggregate & { readonly groupBy?: string | readonly string[] }
}

/**
 * A page of a list. It begins behind a cursor and ends behind the row that was its `limit`th: rows that come
 * between make it longer, rows that go shorter. One that has not had `limit` rows yet is open at its end.
 */
export interface ViewPage {
  /** Rows that it has at first, at most: 1 or more. */
  readonly limit: number
  /** `View.nextCursor` of the page before; omit for the first page. */
  readonly after?: string
}

/** Confines and counts the reads of a view that is opened. */
export interface ViewOptions {
  /**
   * Filter of the only records that exist for the view.
   * @default all records
   */
  readonly scope?: WhereFilter
  /** Counts the work of the first read instead of the store's `maxWork`. */
  readonly work?: WorkMeter
}

/** A row that a commit has put into a list, taken out, changed or moved. */
export interface TouchedRow {
  readonly key: unknown
  /** Whether it was in the list before the commit; whether it is now, `View.indexOf` tells. */
  readonly wasIn: boolean
  /** Whether it has another place than before among the rows that are not touched. */
  readonly moved: boolean
}

/** Hears of a view. Its methods run within the step that brings all views to a revision: they do not wait. */
export interface ViewListener {
  /**
   * Called once for each commit that has changed the result. `touches` has each row at most once; it is
   * `undefined` where the result is no list of rows with their keys. It is empty for a page of which only
   * `hasMore` or `nextCursor` has changed. An aggregate with `groupBy` may be the same as before.
   */
  onChange: (revision: number, touches: readonly TouchedRow[] | undefined) => void
  /** The result is another one as a whole: the bucket was cleared, redefined or restored. */
  onReset: (revision: number) => void
  /**
   * The result cannot be told at the moment, and reading it throws the same error. `onReset` follows when it
   * can be told again.
   */
  onFailure: (error: unknown) => void
  /** The bucket was dropped, or the store stopped: the view is closed. */
  onDrop: () => void
}

/** The result of a query, kept up to date with the durable commits of a store. */
export interface View {
  /** Field of the keys of a list; `undefined` for aggregates, and where `fields` leaves it out. */
  readonly keyField: string | undefined
  /** Estimated bytes that it keeps; what several share counts for the one that was opened first. */
  readonly bytes: number
  /** Number of rows of the list; 0 for an aggregate. */
  readonly size: number
  /** Of a page: whether there are rows behind it. */
  readonly hasMore: boolean
  /** Of a page: the cursor behind which the next one begins; `null` where it is open at its end and empty. */
  readonly nextCursor: string | null
  /** Hears of changes; there is one at most. */
  listener: ViewListener | undefined
  /**
   * Returns the rows, frozen, each the same object for as long as it is unchanged; or the number, or the
   * groups. Takes time with the length of the list: see `rows` for a long one.
   * @throws what `onFailure` was told; AggregateOverflowError
   */
  result (): unknown
  /** Returns rows of the list by their indexes: from `start` up to, not including, `end`. */
  rows (start: number, end: number): object[]
  /** Index of a row in the list, -1 where it is not in it. */
  indexOf (key: unknown): number
  /** The row with a key; `undefined` where it is not in the list. */
  row (key: unknown): object | undefined
  /**
   * Whether a record, also one that is not there any more, belongs to the records of the view; a window or a
   * page may leave it out. @throws FilterError
   */
  matches (record: StoreRecord): boolean
  /** Ends it. It may be called again. */
  close (): void
}

/** The views of a store. All of them stand at the same revision whenever they may be read. */
export interface Views {
  /** Revision that all views stand at: every commit up to it is in all of them, none after it. */
  readonly revision: number
  /** Whether a commit is being put in, in slices: then no view may be read, but by its own listener. */
  readonly isBusy: boolean
  /** Number of open views. */
  readonly size: number
  /** Estimated bytes of all that they keep. */
  readonly bytes: number
  /**
   * Opens a view. It shows a durable state of the present revision of the call or of a later one.
   * @throws FilterError, BucketNotDefinedError, WorkBudgetError, as a read of the bucket
   * @example
   * const view = await store.views.open({ bucket: 'orders', filter: { state: 'open' }, limit: 10 })
   * console.log(view.result())
   */
  open (config: ViewConfig, options?: ViewOptions): Promise<View>
  /**
   * Hears each time that all views have come to a further revision, after their own listeners. Returns what
   * ends it.
   */
  onRevision (listener: (revision: number) => void): () => void
}
