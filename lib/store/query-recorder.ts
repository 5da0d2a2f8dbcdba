import type { BucketHandle, QueryBucket, ReadFilter, WhereFilter } from '@hamicek/noex-store'
import { runInMicrotask } from '../clock.js'
import { NoexServerError } from '../errors.js'
import { definitionOf, type NoexStore } from './noex-store.js'
import { override } from './override.js'
import { restrictedReads } from './restricted-reads.js'
import type { Verdict } from './row-filter.js'

/** Runs of one query at a time; one that runs itself would go on until the memory is used up. */
const MAX_RUNS = 10_000

/** Learns what a query reads, while it reads it. */
export interface ReadListener {
  /** The query depends on every record of the bucket. */
  readBucket: (bucket: string) => void
  /** The query depends on this record only. */
  readRecord: (bucket: string, key: unknown) => void
}

/** A bucket that a query is about to open. */
interface Announcement {
  readonly bucket: string
  readonly rows: true | WhereFilter
  readonly listener: ReadListener
  /** The store has opened the bucket in another way, so `rows` may not hold. */
  readonly missed: () => void
}

/**
 * Runs queries, confines what they read and tells what that was. noex-store says which bucket a query opens
 * (`readFilter`), and opens it synchronously afterwards with `store.bucket()`: an own property of that name on the
 * store can therefore answer with a handle that tells a read of one record from a read of the bucket, and that knows
 * no records but those that may be read. If the store ever stopped doing so, every opened bucket would count as read
 * whole, which is coarser but never wrong, and a query of somebody who may not read all of it would fail.
 */
export class QueryRecorder {
  readonly #store: NoexStore
  #announced: Announcement | undefined
  /** Runs that are under way, by query. */
  readonly #runs = new Map<string, number>()

  constructor (store: NoexStore) {
    this.#store = store
  }

  /** Begins to answer for the store's `bucket` and `runQuery`. Returns what gives its own methods back. */
  install (): () => void {
    const steps = [this.#installBucket(), this.#installRunQuery()]
    return () => { for (const step of steps) step() }
  }

  #installRunQuery (): () => void {
    type Run = (query: string, params?: unknown, readFilter?: ReadFilter) => Promise<never>
    const counted = (original: NoexStore['runQuery']): Run => async (query, params, readFilter) => {
      this.#begin(query)
      try {
        // The store takes an absent filter for none.
        return await original(query, params, readFilter as ReadFilter)
      } finally {
        this.#end(query)
      }
    }
    return override(this.#store, 'runQuery', counted)
  }

  #begin (query: string): void {
    const count = this.#runs.get(query) ?? 0
    if (count === MAX_RUNS) {
      throw new Error(`query "${query}" has ${MAX_RUNS} runs under way: it may run itself`)
    }
    this.#runs.set(query, count + 1)
  }

  #end (query: string): void {
    const left = (this.#runs.get(query) ?? 1) - 1
    if (left === 0) this.#runs.delete(query)
    else this.#runs.set(query, left)
  }

  #installBucket (): () => void {
    return override(this.#store, 'bucket', open => name => {
      const announced = this.#announced
      if (announced?.bucket !== name) return open(name)
      // Forgotten first, because opening throws when the bucket does not exist.
      this.#announced = undefined
      const handle = open(name)
      const reads = announced.rows === true ? handle : restrictedReads(handle, definitionOf(this.#store, name), announced.rows)
      return recording(reads, name, announced.listener)
    })
  }

  /**
   * Runs a defined query once for somebody who may read of each bucket what `rows` answers; `listener` hears of each
   * read before it happens. Rejects as the query does.
   * @throws `FORBIDDEN` inside the query, at the opening of a bucket that may not be read
   */
  async run (query: string, params: unknown, rows: (bucket: string) => Verdict, listener: ReadListener): Promise<unknown> {
    let missed: string | undefined
    const result = await this.#store.runQuery(query, params, bucket => {
      this.#settle()
      const verdict = rows(bucket)
      if (verdict === false) {
        throw new NoexServerError(
          'FORBIDDEN',
          'The query reads a bucket that you may not read'
        )
      }
      this.#announced = { bucket, rows: verdict, listener, missed: () => { missed = bucket } }
      runInMicrotask(() => { this.#settle() })
      // Never a filter for the store itself: it would change the order of first, last and paginate.
      return null
    })
    if (missed !== undefined) throw new Error(`The store opens buckets in a way that cannot be confined: query "${query}", bucket "${missed}"`)
    return result
  }

  /** An announcement that no `bucket()` call took is taken for a read of the whole bucket. */
  #settle (): void {
    const announced = this.#announced
    if (announced === undefined) return
    this.#announced = undefined
    announced.listener.readBucket(announced.bucket)
    if (announced.rows !== true) announced.missed()
  }
}

/** Reads for queries: `get` reads one record, everything else the bucket. */
function recording (from: QueryBucket, bucket: string, listener: ReadListener): BucketHandle {
  const whole = <A extends unknown[], R> (read: (...args: A) => R) => (...args: A): R => {
    listener.readBucket(bucket)
    return read.apply(from, args)
  }
  const reads: QueryBucket = {
    get (key) {
      listener.readRecord(bucket, key)
      return from.get(key)
    },
    all: whole(from.all),
    where: whole(from.where),
    findOne: whole(from.findOne),
    count: whole(from.count),
    first: whole(from.first),
    last: whole(from.last),
    paginate: whole(from.paginate),
    sum: whole(from.sum),
    avg: whole(from.avg),
    min: whole(from.min),
    max: whole(from.max),
    groupBy: whole(from.groupBy)
  }
  return reads as BucketHandle
}
