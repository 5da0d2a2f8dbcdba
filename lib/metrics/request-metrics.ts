import type { NoexErrorCode } from '../protocol/errors.js'

/** The label of requests that name no operation of this service: what a client makes up is no label. */
export const UNKNOWN = 'unknown'

/** The label of requests that were answered with a result. */
export const OK = 'ok'

/**
 * Upper bounds of the buckets of the durations, in seconds: from a read of one record to what a client gives
 * up on.
 */
export const DURATION_BOUNDS = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 5
] as const

const boundsMs = DURATION_BOUNDS.map(bound => bound * 1_000)

/** What is known of the requests of one operation. */
export interface OperationMetrics {
  readonly operation: string
  /** Requests by code: `ok`, or the code of the error. */
  readonly codes: ReadonlyMap<string, number>
  /**
   * Requests by duration: one count for each of `DURATION_BOUNDS`, up to it and above the one before, and one
   * for those above all.
   */
  readonly buckets: ArrayLike<number>
  /** The sum of the durations. */
  readonly totalMs: number
}

/**
 * Counts requests by operation and code, and how long they take. Each request passes here, so counting is a
 * look-up and some additions; what prom-client needs is made of it at a scrape. There are as many figures as
 * operations, whatever clients send.
 */
export class RequestMetrics {
  readonly #operations = new Map<string, OperationCounters>()

  /** All operations of which there was a request. */
  get operations (): readonly OperationMetrics[] {
    return [...this.#operations.values()]
  }

  /**
   * A request has been answered.
   * @param operation its name in the table of operations; `undefined` when the service does not have it
   * @param code of the error; `undefined` when there was none
   * @param durationMs from its arrival to the reply
   */
  ended (operation: string | undefined, code: NoexErrorCode | undefined, durationMs: number): void {
    const name = operation ?? UNKNOWN
    let figures = this.#operations.get(name)
    if (figures === undefined) this.#operations.set(name, figures = new OperationCounters(name))
    figures.add(code, durationMs)
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
    // Most requests end in one of the first.
    while (bucket < boundsMs.length && durationMs > (boundsMs[bucket] as number)) bucket++
    this.buckets[bucket] = (this.buckets[bucket] as number) + 1
  }
}
