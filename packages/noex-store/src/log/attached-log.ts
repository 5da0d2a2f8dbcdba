import type { Engine } from '../engine.js'
import { clearBucket } from '../commit/writes.js'
import { CommitMismatchError, StoreUnavailableError } from '../errors.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Change, Commit } from '../types/commit.js'
import { applyCommit, prepareBuckets } from './apply.js'
import type { ChangeLog, LogEntry, StoreImage } from './change-log.js'
import { imageInSlices, loadImage } from './image.js'

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
    engine.assertWritable()
    if (snapshot === undefined && tail.length === 0) {
      return await AttachedLog.#begin(engine, queries, log, epoch)
    }
    const full = [...engine.buckets.values()].find(({ size }) => size > 0)
    if (full !== undefined) {
      throw new CommitMismatchError(
        `The log has a store of its own, and bucket "${full.name}" has records: start with an empty store`
      )
    }
    engine.unavailable = new StoreUnavailableError('The store is reading its log and takes no writes yet')
    try {
      if (snapshot !== undefined) await loadImage(engine, queries, snapshot)
      engine.startAt(snapshot?.revision ?? (tail[0] as LogEntry).revision - 1, epoch)
      for (const entry of tail) {
        applyCommit(engine, queries, entry, await prepareBuckets(engine, entry))
        if (engine.slicer.isSpent) await engine.slicer.nextTurn()
      }
    } finally {
      engine.unavailable = undefined
    }
    const attached = new AttachedLog(engine, log)
    attached.#start()
    // Buckets that are not to outlive a process are emptied by a commit, so that no revision is given twice.
    for (const bucket of engine.buckets.values()) {
      if (bucket.schema.definition.persistent === false) clearBucket(engine, bucket)
    }
    return attached
  }

  /** Makes the store, as it is at the call, the first commit of an empty log; commits go on meanwhile. */
  static async #begin (
    engine: Engine, queries: QueryRegistry, log: ChangeLog, epoch: string
  ): Promise<AttachedLog> {
    const former = { revision: engine.revision, epoch: engine.epoch }
    engine.startAt(Math.max(1, engine.revision), epoch)
    const attached = new AttachedLog(engine, log)
    // From this step on, for the commits that come while the first entry is made and appended.
    attached.#isAppending = true
    attached.#start()
    const image = imageInSlices(engine, queries)
    const time = engine.now
    try {
      await log.append([firstEntry(await image, time)], 0)
    } catch (error) {
      attached.#stopListening()
      attached.#isClosed = true
      // They stay: a store without a log is durable at once.
      for (const commit of engine.undoLog.settle(engine.revision)) engine.durableLane.tell(commit)
      engine.undoLog.isOn = false
      engine.whenDurable = undefined
      for (const waiter of attached.#waiters) waiter.resolve()
      if (engine.revision === 1 && former.revision === 0) engine.startAt(0, former.epoch)
      else engine.startAt(engine.revision, former.epoch)
      throw error
    }
    attached.#isAppending = false
    if (attached.#pending.length > 0) attached.#append().catch(engine.options.onListenerError)
    return attached
  }

  #start (): void {
    this.#engine.undoLog.isOn = true
    this.#engine.whenDurable = this.whenDurable.bind(this)
    this.#stopListening = this.#engine.onApplied(commit => { this.#onCommit(commit) })
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
    if (commit.undone === true) {
      this.#forget(commit)
      return
    }
    this.#pending.push(commit)
    // After the microtasks of this turn, so that commits of one turn go in one group.
    if (!this.#isAppending) this.#append().catch(this.#engine.options.onListenerError)
  }

  /** Leaves out a commit that the application takes back: its writer and all that have seen it are told. */
  #forget ({ revision }: Commit): void {
    if (this.#pending.at(-1)?.revision === revision) this.#pending.pop()
    const waiters = this.#waiters
    this.#waiters = waiters.filter(waiter => waiter.revision < revision)
    const error = new StoreUnavailableError('The write was taken back')
    for (const waiter of waiters) if (waiter.revision >= revision) waiter.reject(error)
  }

  async #append (): Promise<void> {
    this.#isAppending = true
    try {
      await undefined
      while (this.#pending.length > 0 && !this.#isClosed) {
        const group = this.#pending.splice(0, MAX_GROUP)
        const { revision } = group.at(-1) as LogEntry
        try {
          await this.#log.append(group, this.#durable)
        } catch (error) {
          this.#takeBack(error)
          return
        }
        this.#settle(revision)
        // A log in memory answers in microtasks: what hears of durable commits and writes would hold the loop.
        if (this.#engine.slicer.isSpent) await this.#engine.slicer.nextTurn()
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
    const waiters = this.#waiters
    this.#waiters = []
    this.#engine.undo(this.#durable)
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
function firstEntry ({ revision, buckets, queries }: StoreImage, time: number): LogEntry {
  const changes: Change[] = []
  const counters: Record<string, number> = {}
  for (const { name: bucket, definition, functions, records, counter, floor, deleted } of buckets) {
    changes.push({
      type: 'define',
      bucket,
      definition,
      ...(functions && { functions }),
      ...(records.length > 0 && { records }),
      ...(floor + deleted.length > 0 && { remembered: { floor, deleted } })
    })
    if (counter > 0) counters[bucket] = counter
  }
  for (const [query, config] of queries) changes.push({ type: 'query', query, config })
  return { revision, time, changes, counters }
}
