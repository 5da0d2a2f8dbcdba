import type { ReadObserver } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import { plainAnswerInSlices } from '../application/plain-answer.js'
import { readableError } from '../application/thrown.js'
import { LimitedRuns, type RunLimits } from '../application/limited-runs.js'
import { encodeQueryResult } from '../protocol/encode.js'
import type { RowAccess } from '../store/row-scope.js'
import type { SharedStore } from '../store/shared-store.js'
import type { Work } from '../store/work.js'

/** One run of a query. */
export interface QueryRun {
  readonly query: string
  readonly params: unknown
  /** Returns the records of a bucket that may be read. */
  readonly rows: (bucket: string) => RowAccess
  /** The id of the client for which it runs. */
  readonly owner: string
  /** Is notified of each read before it happens. */
  readonly reads?: ReadObserver
  /** Counts the work of the run; absent where it is not counted. */
  readonly work?: Work
}

/** Runs the queries of one service; those of the application no longer than they may take. */
export class QueryRunner {
  readonly #sharedStore: SharedStore
  readonly #runs: LimitedRuns

  constructor (sharedStore: SharedStore, limits: RunLimits) {
    this.#sharedStore = sharedStore
    this.#runs = new LimitedRuns(limits)
  }

  /**
   * Runs a query once and returns the JSON of its result. Rejects with the error of the query, with
   * `INTERNAL_ERROR` when it takes too long, and with `FORBIDDEN` where it opens a bucket that may not be
   * read.
   */
  async run (run: QueryRun): Promise<string> {
    const result = await this.result(run)
    try {
      return encodeQueryResult(result)
    } catch (error) {
      throw new Error(`query "${run.query}" has returned what JSON cannot hold`, { cause: error })
    }
  }

  /** Runs a query once and returns its result. Rejects as `run` does. */
  async result (run: QueryRun): Promise<unknown> {
    const { query, params, rows, reads, work } = run
    // A declarative query cannot call code of the application, so it needs no time limit.
    const isDeclarative = this.#sharedStore.store.getQueryInfo(query)?.config !== undefined
    if (!isDeclarative) return await this.#runOther(run)
    return await this.#sharedStore.runQuery(query, params, rows, { observer: reads, work })
  }

  async #runOther ({ query, params, rows, owner, reads, work }: QueryRun): Promise<unknown> {
    const subject = `Query "${query}"`
    const result = await this.#runs.run(subject, owner, async isOver => {
      const rowsInTime = (bucket: string): RowAccess => {
        if (isOver()) throw new NoexServerError('INTERNAL_ERROR', `${subject} is not waited for any more`)
        return rows(bucket)
      }
      const observer = reads && untilOver(reads, isOver)
      return await withReadableErrors(async () =>
        await this.#sharedStore.runQuery(query, params, rowsInTime, { observer, work }))
    })
    return await plainAnswerInSlices(`query "${query}"`, result)
  }
}

/** Rejects as `run` does, with an error in place of a thrown value that cannot be read. */
async function withReadableErrors<T> (run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw readableError(error)
  }
}

/** Returns an observer that ignores reads once the run is over: its read set has been released then. */
function untilOver (reads: ReadObserver, isOver: () => boolean): ReadObserver {
  return {
    onBucket (bucket) {
      if (!isOver()) reads.onBucket(bucket)
    },
    onRecord (bucket, key) {
      if (!isOver()) reads.onRecord(bucket, key)
    }
  }
}
