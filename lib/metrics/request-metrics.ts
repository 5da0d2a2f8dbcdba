import type { NoexErrorCode } from '../protocol/errors.js'

/** Label of requests for operations that do not exist: a name that a client invents is never a label. */
const UNKNOWN = 'unknown'

/** Label of requests that were answered with a result. */
const OK = 'ok'

/** Upper bounds of the buckets of durations, in seconds. */
export const DURATION_BOUNDS = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 5
] as const

const boundsMs = DURATION_BOUNDS.map(bound => bound * 1_000)

/** The metrics of the requests of one operation. */
export interface OperationMetrics {
  readonly operation: string
  /** Requests by code: `ok`, or the code of the error. */
  readonly codes: ReadonlyMap<string, number>
  /** Number of requests in each bucket of `DURATION_BOUNDS`, not cumulative; the last is above all bounds. */
  readonly buckets: ArrayLike<number>
  /** Sum of the durations in milliseconds. */
  readonly totalMs: number
}

/**
 * Counts requests by operation and code, and measures their durations. It runs for every request, so counting
 * is a lookup and some additions; the samples of prom-client are made at a scrape. Its size is bounded by the
 * number of operations.
 */
export class RequestMetrics {
  readonly #operations = new Map<string, OperationCounters>()

  /** The metrics of all operations that were requested. */
  get operations (): readonly OperationMetrics[] {
    return [...this.#operations.values()]
  }

  /**
   * Counts a request that was answered.
   * @param operation its name in the registry of operations; `undefined` when it does not exist
   * @param code code of the error; `undefined` for a result
   * @param durationMs time from arrival to reply
   */
  ended (operation: string | undefined, code: NoexErrorCode | undefined, durationMs: number): void {
    const name = operation ?? UNKNOWN
    let counters = this.#operations.get(name)
    if (counters === undefined) this.#operations.set(name, counters = new OperationCounters(name))
    counters.add(code, durationMs)
  }
}

class OperationCounters implements OperationMetrics {
  readonly operation: string
  readonly buckets = new Float64Array(boundsMs.length + 1)
  readonly #failures = new Map<NoexErrorCode, number>()
  #ok = 0
  totalMs = 0

  constructor (operation: string) {
    this.operation = operation
  }

  get codes (): ReadonlyMap<string, number> {
    return new Map<string, number>([[OK, this.#ok], ...this.#failures])
  }

  add (code: NoexErrorCode | undefined, durationMs: number): void {
    if (code === undefined) this.#ok++
    else this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
    this.totalMs += durationMs
    let bucket = 0
    // Most requests are in one of the first buckets.
    while (bucket < boundsMs.length && durationMs > (boundsMs[bucket] as number)) bucket++
    this.buckets[bucket] = (this.buckets[bucket] as number) + 1
  }
}
