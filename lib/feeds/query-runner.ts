import { NoexServerError } from '../errors.js'
import { LimitedRuns, type RunLimits } from '../limits/limited-runs.js'
import { encodeQueryResult } from '../protocol/encode.js'
import type { ReadListener } from '../store/query-recorder.js'
import type { Verdict } from '../store/row-filter.js'
import type { StoreAccess } from '../store/store-access.js'

/** One run of a query. */
export interface QueryRun {
  readonly query: string
  readonly params: unknown
  /** What may be read of each bucket. */
  readonly rows: (bucket: string) => Verdict
  /** The id of the client for which it runs. */
  readonly owner: string
  /** Hears of each read before it happens. */
  readonly reads?: ReadListener
}

/** Runs the queries of one service, and waits for those of the application no longer than they may take. */
export class QueryRunner {
  readonly #access: StoreAccess
  readonly #runs: LimitedRuns

  constructor (access: StoreAccess, limits: RunLimits) {
    this.#access = access
    this.#runs = new LimitedRuns(limits)
  }

  /**
   * Runs a query once and returns the JSON of its result.
   * Rejects as the query does, with `INTERNAL_ERROR` when it takes too long, and with `FORBIDDEN` where it opens a bucket
   * that may not be read
   */
  async run (run: QueryRun): Promise<string> {
    const { query, params, rows, reads } = run
    // The store's own code reads and no more.
    const isDeclarative = this.#access.store.getQueryInfo(query)?.config !== undefined
    const result = isDeclarative ? await this.#access.runQuery(query, params, rows, reads) : await this.#runOther(run)
    try {
      return encodeQueryResult(result)
    } catch (error) {
      throw new Error(`query "${query}" has returned what JSON cannot hold`, { cause: error })
    }
  }

  async #runOther ({ query, params, rows, owner, reads }: QueryRun): Promise<unknown> {
    return await this.#runs.run(`Query "${query}"`, owner, async isOver => await this.#access.runQuery(query, params, bucket => {
      if (isOver()) throw new NoexServerError('INTERNAL_ERROR', `Query "${query}" is not waited for any more`)
      return rows(bucket)
    }, reads && untilOver(reads, isOver)))
  }
}

/** Hears of no read that is made too late: the reads of that run have been forgotten. */
function untilOver (reads: ReadListener, isOver: () => boolean): ReadListener {
  return {
    readBucket (bucket) {
      if (!isOver()) reads.readBucket(bucket)
    },
    readRecord (bucket, key) {
      if (!isOver()) reads.readRecord(bucket, key)
    }
  }
}
