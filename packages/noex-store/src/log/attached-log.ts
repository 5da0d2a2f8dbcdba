import type { Engine } from '../engine.js'
import { clearBucket } from '../commit/writes.js'
import { recordsOf } from '../commit/copied-records.js'
import { functionsOf } from '../commit/definitions.js'
import { CommitMismatchError, StoreUnavailableError } from '../errors.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Change, Commit } from '../types/commit.js'
import { applyCommit } from './apply.js'
import type { ChangeLog, LogEntry } from './change-log.js'
import { loadImage } from './image.js'

const { setTimeout: startTimer, clearTimeout: cancelTimer } = globalThis

/** Commits that are appended in one call. */
const MAX_GROUP = 1_000
/** Pauses between two attempts of a log that does not take entries, in milliseconds. */
const RETRY_MS = [50, 100, 200, 500, 1_000, 2_000] as const

interface Waiter {
  readonly revision: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * A log that all commits of a store go to. A commit that it does not take is taken back, and while it takes
 * none, writes are refused; reads go on.
 */
export class AttachedLog {
  readonly #engine: Engine
  readonly #log: ChangeLog
  #pending: LogEntry[] = []
  #waiters: Waiter[] = []
  #durable: number
  #isAppending = false
  #isClosed = false
  #stopListening: () => void = () => {}
  #retry: NodeJS.Timeout | undefined

  private constructor (engine: Engine, log: ChangeLog) {
    this.#engine = engine
    this.#log = log
    this.#durable = engine.revision
  }

  /**
   * Joins a store to a log. Either the log is empty and the store becomes its first commit, or the store has
   * no records and becomes what the log says; buckets and queries defined before count as declared.
   * @throws CommitMismatchError when both have records, or declare a bucket differently
   */
  static async attach (engine: Engine, queries: QueryRegistry, log: ChangeLog): Promise<AttachedLog> {
    const { epoch, snapshot, tail } = await log.open()
    const isJoined = snapshot !== undefined || tail.length > 0
    if (!isJoined) {
      await log.append([firstEntry(engine, queries)], 0)
      engine.startAt(Math.max(1, engine.revision), epoch)
    } else {
      const full = [...engine.buckets.values()].find(({ size }) => size > 0)
      if (full !== undefined) {
        throw new CommitMismatchError(
          `The log has a store of its own, and bucket "${full.name}" has records: start with an empty store`
        )
      }
      if (snapshot !== undefined) loadImage(engine, queries, snapshot)
      engine.startAt(snapshot?.revision ?? (tail[0] as LogEntry).revision - 1, epoch)
      for (const entry of tail) applyCommit(engine, queries, entry)
    }
    const attached = new AttachedLog(engine, log)
    engine.undoLog.isOn = true
    attached.#stopListening = engine.lane.listen(commit => { attached.#onCommit(commit) })
    // Buckets that are not to outlive a process are emptied by a commit, so that no revision is given twice.
    for (const bucket of engine.buckets.values()) {
      if (isJoined && bucket.schema.definition.persistent === false) clearBucket(engine, bucket)
    }
    return attached
  }

  /** Revision up to which all commits are durable. */
  get durableRevision (): number {
    return this.#durable
  }

  /**
   * Resolves when a revision is durable.
   * @throws StoreUnavailableError when it is taken back
   */
  async whenDurable (revision: number): Promise<void> {
    if (revision <= this.#durable) return
    await new Promise<void>((resolve, reject) => { this.#waiters.push({ revision, resolve, reject }) })
  }

  /** Resolves when all commits are durable. No further ones go to the log. */
  async close (): Promise<void> {
    try {
      await this.whenDurable(this.#engine.revision)
    } finally {
      this.#isClosed = true
      this.#stopListening()
      cancelTimer(this.#retry)
    }
  }

  #onCommit (commit: Commit): void {
    if (commit.undone === true) return
    this.#pending.push(commit)
    // After the microtasks of this turn, so that commits of one turn go in one group.
    if (!this.#isAppending) this.#append().catch(this.#engine.options.onListenerError)
  }

  async #append (): Promise<void> {
    this.#isAppending = true
    try {
      await undefined
      while (this.#pending.length > 0 && !this.#isClosed) {
        const group = this.#pending.splice(0, MAX_GROUP)
        try {
          await this.#log.append(group, this.#durable)
        } catch (error) {
          this.#takeBack(error)
          return
        }
        this.#settle((group.at(-1) as LogEntry).revision)
      }
    } finally {
      this.#isAppending = false
    }
  }

  #settle (revision: number): void {
    this.#durable = revision
    for (const commit of this.#engine.undoLog.settle(revision)) this.#engine.durableLane.tell(commit)
    const waiters = this.#waiters
    this.#waiters = waiters.filter(waiter => waiter.revision > revision)
    for (const waiter of waiters) if (waiter.revision <= revision) waiter.resolve()
  }

  #takeBack (cause: unknown): void {
    const error = new StoreUnavailableError(
      'The log of commits takes none at the moment; the write was taken back', { cause }
    )
    this.#engine.unavailable = error
    this.#pending = []
    this.#engine.undo(this.#durable)
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
    this.#tryLater(0)
  }

  #tryLater (attempt: number): void {
    const delay = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] as number
    this.#retry = startTimer(() => {
      this.#log.append([], this.#durable).then(
        () => { this.#engine.unavailable = undefined },
        () => { if (!this.#isClosed) this.#tryLater(attempt + 1) })
    }, delay).unref()
  }
}

/** The whole store as one commit. */
function firstEntry (engine: Engine, queries: QueryRegistry): LogEntry {
  const changes: Change[] = []
  const counters: Record<string, number> = {}
  for (const bucket of engine.buckets.values()) {
    const records = recordsOf(bucket)
    const { definition } = bucket.schema
    const functions = functionsOf(bucket)
    changes.push({
      type: 'define', bucket: bucket.name, definition, ...functions, ...(records.length > 0 && { records })
    })
    if (bucket.counter > 0) counters[bucket.name] = bucket.counter
  }
  for (const [query, config] of queries.configs) changes.push({ type: 'query', query, config })
  return { revision: Math.max(1, engine.revision), time: engine.now, changes, counters }
}
