import { isFollowedError, type ChangeLog, type LogEntry } from './change-log.js'

const { setTimeout: startTimer, clearTimeout: cancelTimer } = globalThis

/** Pauses between two attempts of a log that does not take entries, in milliseconds. */
const RETRY_MS = [50, 100, 200, 500, 1_000, 2_000] as const

interface RegainingOptions {
  readonly log: ChangeLog
  /** Revision up to which the store and the log are the same. */
  readonly durableRevision: () => number
  /** Takes over an entry of the log that the store does not have. */
  readonly apply: (entry: LogEntry) => Promise<void>
  /** Number of attempts that have failed before; with `undefined` the first one is made at once. */
  readonly failedBefore: number | undefined
  /** Hears that another process writes the log. */
  readonly onFollowed: () => void
  /** Hears why an attempt has failed. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Asks a log until it takes entries again. Meanwhile the store takes over those that it does not have: of
 * another process that writes the log, or of this one where it was not known whether the log has them.
 */
export class Regaining {
  readonly #options: RegainingOptions
  #isStopped = false
  #retry: NodeJS.Timeout | undefined
  #wake = (): void => {}

  constructor (options: RegainingOptions) {
    this.#options = options
  }

  /** Resolves with `true` when the log takes entries, with `false` when it was stopped before. */
  async run (): Promise<boolean> {
    const { log, durableRevision, failedBefore, onFollowed, onFailure } = this.#options
    let attempt = failedBefore ?? 0
    if (failedBefore !== undefined) await this.#pause(attempt++)
    while (!this.#isStopped) {
      try {
        await log.append([], durableRevision())
        return !this.#isStopped
      } catch (error) {
        try {
          const isFollowed = isFollowedError(error)
          if (isFollowed) onFollowed()
          else if ((error as Error).name !== 'LogAheadError') throw error
          await this.#catchUp()
          attempt = 0
          if (isFollowed) await log.changed?.()
        } catch (error) {
          onFailure(error)
          await this.#pause(attempt++)
        }
      }
    }
    return false
  }

  /** Ends it; nothing is applied afterwards. */
  stop (): void {
    this.#isStopped = true
    cancelTimer(this.#retry)
    this.#wake()
  }

  async #catchUp (): Promise<void> {
    const { log, durableRevision, apply } = this.#options
    for await (const entry of log.tail(durableRevision())) {
      if (this.#isStopped) return
      await apply(entry)
    }
  }

  async #pause (attempt: number): Promise<void> {
    const delay = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] as number
    await new Promise<void>(resolve => {
      this.#wake = resolve
      this.#retry = startTimer(resolve, delay).unref()
    })
  }
}
