import type { NoexErrorCode } from '../protocol/errors.js'
import { Histogram } from '../util/histogram.js'

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

/** The requests of one operation since the start, as the statistics show them. */
export interface OperationStats {
  readonly count: number
  readonly errors: number
  readonly seconds: number
  /** Estimated from a histogram, as `p99Ms`; the error is at most that of its buckets. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Characters of the replies: bytes, as far as they are ASCII. */
  readonly bytesOut: number
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

  /** The same for the statistics, by operation. */
  get stats (): Readonly<Record<string, OperationStats>> {
    return Object.fromEntries(Array.from(this.#operations, ([name, counters]) => [name, counters.stats]))
  }

  /**
   * Counts a request that was answered.
   * @param operation its name in the registry of operations; `undefined` when it does not exist
   * @param code code of the error; `undefined` for a result
   * @param durationMs time from arrival to reply
   * @param chars length of the reply
   */
  ended (
    operation: string | undefined, code: NoexErrorCode | undefined, durationMs: number, chars: number
  ): void {
    const name = operation ?? UNKNOWN
    let counters = this.#operations.get(name)
    if (counters === undefined) this.#operations.set(name, counters = new OperationCounters(name))
    counters.add(code, durationMs, chars)
  }
}

class OperationCounters implements OperationMetrics {
  readonly operation: string
  readonly #durations = new Histogram(boundsMs)
  readonly #failures = new Map<NoexErrorCode, number>()
  #ok = 0
  bytesOut = 0

  constructor (operation: string) {
    this.operation = operation
  }

  get codes (): ReadonlyMap<string, number> {
    return new Map<string, number>([[OK, this.#ok], ...this.#failures])
  }

  get buckets (): ArrayLike<number> {
    return this.#durations.buckets
  }

  get totalMs (): number {
    return this.#durations.sum
  }

  get stats (): OperationStats {
    const errors = [...this.#failures.values()].reduce((sum, count) => sum + count, 0)
    const durations = this.#durations
    return {
      count: this.#ok + errors,
      errors,
      seconds: durations.sum / 1_000,
      p50Ms: durations.quantile(0.5),
      p99Ms: durations.quantile(0.99),
      maxMs: durations.max,
      bytesOut: this.bytesOut
    }
  }

  add (code: NoexErrorCode | undefined, durationMs: number, chars: number): void {
    if (code === undefined) this.#ok++
    else this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
    this.#durations.add(durationMs)
    this.bytesOut += chars
  }
}
