import type { Engine } from '../commit/engine.js'
import { NotLeaderError, StoreUnavailableError } from '../errors.js'
import type { DurabilityNotice, DurabilityStatus } from '../types/durability.js'
import { isFollowedError, type ChangeLog, type LogEntry } from './change-log.js'
import { Regaining } from './regaining.js'

const FOLLOWING = 'Another process writes the log of the store: the write has to be made there'
const TAKES_NONE = 'The log of commits takes none at the moment; the write was taken back'
const UNANSWERED = 'The log of commits does not answer: whether it has the write is not known yet'
const LEFT = 'The store has left its log, and takes no writes'

/** Time within which the next trouble counts as the same one, in milliseconds. */
const QUICK_MS = 5_000

interface LogTroubleParts {
  readonly engine: Engine
  readonly log: ChangeLog
  readonly onNotice: (notice: DurabilityNotice) => void
  /** Revision up to which the store and the log are the same. */
  readonly durableRevision: () => number
  /** Takes over an entry of the log. */
  readonly apply: (entry: LogEntry) => Promise<void>
  /** Makes the store that of the log's only writer, after another one. */
  readonly onLeading: () => void
}

/** Refuses writes while a log takes no entries of this process, and finds the way back. */
export class LogTrouble {
  readonly #parts: LogTroubleParts
  #error: StoreUnavailableError | NotLeaderError | undefined
  #lastError: DurabilityStatus['lastError']
  #isFollowing = false
  /** Whether another process has written the log since this one has. */
  #hasFollowed = false
  #regaining: Regaining | undefined
  #isStopped = false
  /** When the log has taken entries again, by the clock of `performance.now`. */
  #endedAt = -Infinity
  /** Number of troubles that have followed each other quickly. */
  #repetitions = 0

  constructor (parts: LogTroubleParts) {
    this.#parts = parts
  }

  /** Why writes are refused; `undefined` while they are taken. */
  get error (): StoreUnavailableError | NotLeaderError | undefined {
    return this.#error
  }

  get state (): 'ok' | 'unavailable' | 'following' {
    if (this.#error === undefined) return 'ok'
    return this.#isFollowing ? 'following' : 'unavailable'
  }

  /** The last failure, also when it is over. */
  get lastError (): DurabilityStatus['lastError'] {
    return this.#lastError
  }

  /** Refuses writes because of an error of the log; returns the one for those that were under way. */
  begin (cause: unknown): Error {
    this.#note(cause)
    const isFollowed = isFollowedError(cause)
    const error = isFollowed
      ? new NotLeaderError(FOLLOWING, { cause })
      : new StoreUnavailableError(TAKES_NONE, { cause })
    this.#refuse(error)
    const isUnknown = cause instanceof Error && cause.name === 'LogUnansweredError'
    return isUnknown ? new StoreUnavailableError(UNANSWERED, { cause }, true) : error
  }

  /** Tells of what has begun, and asks the log until it takes entries. */
  regain (cause: unknown): void {
    if (isFollowedError(cause)) {
      this.#follow()
      this.#ask(undefined)
      return
    }
    this.#tell('unavailable', `the store takes no writes: ${textOf(cause)}`, cause)
    // A log that says it takes entries, and then does not, is asked less and less often.
    this.#repetitions = performance.now() - this.#endedAt < QUICK_MS ? this.#repetitions + 1 : 0
    this.#ask(this.#repetitions)
  }

  /** Follows another process that writes the log, if it does not do so, and asks the log until that ends. */
  followFromStart (): void {
    this.#follow()
    this.#ask(undefined)
  }

  /** Refuses writes for good. */
  leave (): void {
    this.#refuse(new StoreUnavailableError(LEFT))
    this.#isFollowing = false
  }

  /** Ends the way back; nothing is told any more. */
  stop (): void {
    this.#isStopped = true
    this.#regaining?.stop()
  }

  #follow (): void {
    if (this.#isFollowing) return
    this.#isFollowing = true
    this.#hasFollowed = true
    this.#refuse(new NotLeaderError(FOLLOWING))
    this.#tell('following', 'another process writes the log; the store follows it and takes no writes')
  }

  #ask (failedBefore: number | undefined): void {
    if (this.#isStopped) return
    const { engine, log, durableRevision, apply } = this.#parts
    this.#regaining = new Regaining({
      log,
      durableRevision,
      apply,
      failedBefore,
      onFollowed: () => { this.#follow() },
      onFailure: error => { this.#onFailedAttempt(error) }
    })
    this.#regaining.run()
      .then(isTaking => { if (isTaking && !this.#isStopped) this.#end() }, engine.options.onListenerError)
  }

  #onFailedAttempt (error: unknown): void {
    this.#note(error)
    if (!this.#isFollowing || this.#isStopped) return
    this.#isFollowing = false
    this.#refuse(new StoreUnavailableError(TAKES_NONE, { cause: error }))
    this.#tell('unavailable', `the store cannot follow its log: ${textOf(error)}`, error)
  }

  #end (): void {
    const { engine, onLeading } = this.#parts
    // Something else may refuse writes meanwhile.
    if (engine.unavailable === this.#error) engine.unavailable = undefined
    this.#error = undefined
    this.#isFollowing = false
    this.#endedAt = performance.now()
    if (!this.#hasFollowed) {
      this.#tell('available', 'the store takes writes again')
      return
    }
    this.#hasFollowed = false
    onLeading()
    this.#tell('leading', 'this process writes the log now; the store takes writes')
  }

  #refuse (error: StoreUnavailableError | NotLeaderError): void {
    const { engine } = this.#parts
    if (engine.unavailable === this.#error) engine.unavailable = error
    this.#error = error
  }

  #note (cause: unknown): void {
    this.#lastError = { message: textOf(cause), time: this.#parts.engine.now }
  }

  #tell (type: DurabilityNotice['type'], message: string, error?: unknown): void {
    if (this.#isStopped) return
    this.#parts.onNotice(error === undefined ? { type, message } : { type, message, error: error as Error })
  }
}

/** Returns the message of what was thrown. */
export function textOf (cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
