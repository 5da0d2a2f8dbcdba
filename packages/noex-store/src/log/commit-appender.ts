import type { Slicer } from '../scan/slicer.js'
import type { ChangeLog, LogEntry } from './change-log.js'
import { CommitQueue } from './commit-queue.js'

const { setImmediate: runInNextTurn } = globalThis

interface CommitAppenderParts {
  readonly log: ChangeLog
  readonly slicer: Slicer
  readonly durableRevision: () => number
  /** Hears that everything up to a revision is in the log. */
  readonly onAppended: (revision: number) => void
  /** Hears that the log has refused a group; what waits is to be cleared. */
  readonly onRefused: (error: unknown) => void
  /** Hears what those two throw. */
  readonly onError: (error: unknown) => void
}

/** Appends commits to a log in their order, in groups, one group at a time. */
export class CommitAppender {
  readonly #parts: CommitAppenderParts
  readonly #pending = new CommitQueue()
  #isBusy = false
  #isStopped = false

  constructor (parts: CommitAppenderParts) {
    this.#parts = parts
  }

  /** Whether a group is under way, or about to be. */
  get isBusy (): boolean {
    return this.#isBusy
  }

  add (entry: LogEntry): void {
    this.#pending.add(entry)
    // At the end of this turn of the event loop, so that commits of many sockets go in one group.
    if (!this.#isBusy) this.#start()
  }

  /** Leaves out the last commit, where it waits and is the one of this revision. */
  dropLast (revision: number): void {
    this.#pending.dropLast(revision)
  }

  /** Leaves out all that wait. */
  clear (): void {
    this.#pending.clear()
  }

  /** Has commits wait until `release`. */
  hold (): void {
    this.#isBusy = true
  }

  release (): void {
    this.#isBusy = false
    if (this.#pending.size > 0) this.#start()
  }

  /** Appends nothing more, but for the group that is under way. */
  stop (): void {
    this.#isStopped = true
  }

  #start (): void {
    this.#append().catch(this.#parts.onError)
  }

  async #append (): Promise<void> {
    const { log, slicer, durableRevision, onAppended, onRefused } = this.#parts
    this.#isBusy = true
    try {
      await new Promise<void>(resolve => { runInNextTurn(resolve) })
      while (this.#pending.size > 0 && !this.#isStopped) {
        const group = this.#pending.takeGroup()
        try {
          await log.append(group, durableRevision())
        } catch (error) {
          onRefused(error)
          return
        }
        onAppended((group.at(-1) as LogEntry).revision)
        // A log in memory answers in microtasks: what hears of durable commits and writes would hold the
        // loop.
        if (slicer.isSpent) await slicer.nextTurn()
      }
    } finally {
      this.#isBusy = false
    }
  }
}
