import { option, options } from '../util/option-schema.js'
import { integer, MAX_INTEGER } from '../util/option-types.js'

/** The options of live queries. */
export interface LiveOptions {
  /** How much live queries may keep. */
  liveQueries?: LiveQueriesOptions | undefined
  /** How far back a client that comes back gets what it has missed, and not the complete result. */
  resume?: ResumeOptions | undefined
}

/** The option `liveQueries`. */
export interface LiveQueriesOptions {
  /**
   * Estimated bytes that the live queries of one user keep, or those of one address without a login: rows,
   * changes that are remembered, and what a query in code has returned. A live query that others share counts
   * for the one who subscribed first.
   * @limit `RATE_LIMITED`; `subscription_closed` with `memory_limit` for a result that grows beyond it
   * @default 67_108_864
   */
  maxBytesPerUser?: number | undefined
  /**
   * Estimated bytes that all live queries keep.
   * @limit as for one user
   * @default 268_435_456
   */
  maxBytes?: number | undefined
}

/** The option `resume`. */
export interface ResumeOptions {
  /**
   * Changes of records that the store remembers for clients that come back, with the record before.
   * @default 100_000
   */
  maxKeys?: number | undefined
  /**
   * Estimated bytes of them.
   * @default 16_777_216
   */
  maxBytes?: number | undefined
  /**
   * Time for which a query in code, or a window of a list, is kept after its last subscriber, with what has
   * changed in it, in milliseconds.
   * @default 60_000
   */
  windowMs?: number | undefined
}

const bytes = integer(1, MAX_INTEGER)

export const liveOptions = options<LiveOptions>()({
  liveQueries: options<LiveQueriesOptions>()({
    maxBytesPerUser: option(bytes, 67_108_864),
    maxBytes: option(bytes, 268_435_456)
  }),
  resume: options<ResumeOptions>()({
    maxKeys: option(integer(0, 10_000_000), 100_000),
    maxBytes: option(integer(0, MAX_INTEGER), 16_777_216),
    windowMs: option(integer(0, 3_600_000), 60_000)
  })
})
