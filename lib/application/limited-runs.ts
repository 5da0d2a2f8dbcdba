import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import type { Log } from '../util/log.js'
import { withTimeoutResult } from '../util/with-timeout.js'

/**
 * Runs of one query in code, or operation of the application, that go on after its time, of all clients.
 * @limit `RATE_LIMITED` with `details.retryAfterMs`
 */
const MAX_LATE = 100
/**
 * Runs of one query in code, or operation of the application, that go on after its time, of one client.
 * @limit `RATE_LIMITED` with `details.retryAfterMs`
 */
const MAX_LATE_PER_OWNER = 4

/** The timeout of runs, and the log of late ones. */
export interface RunLimits {
  /** Time limit of a run, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * Runs code of the application with a time limit. A later result is ignored. Code cannot be stopped from
 * outside, so that further runs are refused where too many late ones have not ended.
 */
export class LimitedRuns {
  readonly #limits: RunLimits
  /** Late runs by subject, and by subject and owner. */
  readonly #late = new Map<string, number>()

  constructor (limits: RunLimits) {
    this.#limits = limits
  }

  /**
   * Runs `work` and waits for it. `subject` names it in errors; `owner` is the id of the client for which it
   * runs. `isOver` tells `work` that its time is over.
   * @throws `RATE_LIMITED` when too many earlier runs are late, `INTERNAL_ERROR` when this one takes too long
   */
  async run<T> (subject: string, owner: string, work: (isOver: () => boolean) => Promise<T>): Promise<T> {
    const { timeoutMs, clock, log } = this.#limits
    const keys = [subject, `${subject} ${owner}`] as const
    this.#check(keys, subject)
    let isOver = false
    const running = work(() => isOver)
    return await withTimeoutResult(timeoutMs, running, clock, () => {
      isOver = true
      this.#countUntil(running, keys)
      log.warn({ timeoutMs }, `${subject} takes too long and is not waited for any more`)
      const problem = `${subject} took longer than ${timeoutMs} ms and is not waited for any more`
      throw new NoexServerError('INTERNAL_ERROR', problem)
    })
  }

  #check ([all, own]: readonly [string, string], subject: string): void {
    const limit = this.#lateOf(own) >= MAX_LATE_PER_OWNER ? MAX_LATE_PER_OWNER : MAX_LATE
    if (limit === MAX_LATE && this.#lateOf(all) < MAX_LATE) return
    const whose = limit === MAX_LATE ? '' : ' of this client'
    const problem = `${subject} is refused: ${limit} earlier runs${whose} have not ended`
    throw new NoexServerError('RATE_LIMITED', problem, { retryAfterMs: this.#limits.timeoutMs })
  }

  #lateOf (key: string): number {
    return this.#late.get(key) ?? 0
  }

  #countUntil (running: Promise<unknown>, keys: readonly string[]): void {
    for (const key of keys) this.#late.set(key, this.#lateOf(key) + 1)
    const end = (): void => {
      for (const key of keys) {
        const left = this.#lateOf(key) - 1
        if (left === 0) this.#late.delete(key)
        else this.#late.set(key, left)
      }
    }
    running.then(end, end)
  }
}
