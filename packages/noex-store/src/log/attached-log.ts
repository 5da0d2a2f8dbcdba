import type { Engine } from '../commit/engine.js'
import { removeEnded } from '../commit/ended-records.js'
import { CommitMismatchError, StoreStoppedError, StoreUnavailableError } from '../errors.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Commit, CommitNote } from '../types/commit.js'
import type { DurabilityNotice, DurabilityStatus, RecoveryProgress } from '../types/durability.js'
import { BackgroundSnapshots } from './background-snapshots.js'
import { applyCommit, prepareBuckets } from './apply.js'
import type { ChangeLog, LogBackups, LogEntry } from './change-log.js'
import { CommitAppender } from './commit-appender.js'
import { Declarations } from './declarations.js'
import { DurableWaiters } from './durable-waiters.js'
import { firstEntry, imageInSlices } from './image.js'
import { LogTrouble, textOf } from './log-trouble.js'
import { replay } from './recovery.js'

/** Options of a log that a store is joined to. */
export interface AttachOptions {
  /**
   * Bytes of commits after which the log is cut by a snapshot, where it has `tailBytes`.
   * @default Infinity
   */
  readonly snapshotBytes?: number
  readonly onProgress?: (progress: RecoveryProgress) => void
  readonly onNotice?: (notice: DurabilityNotice) => void
}

/**
 * A log that all commits of a store go to. A commit that it does not take is taken back, and while it takes
 * none, writes are refused; reads go on.
 */
export class AttachedLog {
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #log: ChangeLog
  readonly #snapshots: BackgroundSnapshots
  readonly #appender: CommitAppender
  readonly #waiters = new DurableWaiters()
  readonly #trouble: LogTrouble
  #durable: number
  #isClosed = false
  /** Whether the commit that is heard comes from the log. */
  #isApplying = false
  /** Buckets and queries of this process that the log does not have yet. */
  #declarations: Declarations | undefined
  #stopListening: () => void = () => {}

  private constructor (
    engine: Engine, queries: QueryRegistry, log: ChangeLog,
    { snapshotBytes = Infinity, onNotice = () => {} }: AttachOptions
  ) {
    this.#engine = engine
    this.#queries = queries
    this.#log = log
    this.#durable = engine.revision
    this.#snapshots = new BackgroundSnapshots(engine, queries, log, {
      snapshotBytes, onNotice, whenDurable: async revision => { await this.whenDurable(revision) }
    })
    const durableRevision = (): number => this.#durable
    this.#appender = new CommitAppender({
      log,
      slicer: engine.slicer,
      durableRevision,
      onAppended: revision => {
        this.#settle(revision)
        this.#snapshots.check()
      },
      onRefused: error => { this.#takeBack(error) },
      onError: engine.options.onListenerError
    })
    this.#trouble = new LogTrouble({
      engine,
      log,
      onNotice,
      durableRevision,
      apply: async entry => { await this.#apply(entry) },
      onLeading: () => { this.#takeOver() }
    })
  }

  /**
   * Joins a store to a log. Either the log is empty and the store becomes its first commit, or the store has
   * no records and becomes what the log says; buckets and queries defined before count as declared.
   * @throws CommitMismatchError when both have records, or declare a bucket differently
   */
  static async attach (
    engine: Engine, queries: QueryRegistry, log: ChangeLog, options: AttachOptions = {}
  ): Promise<AttachedLog> {
    const opened = await log.open()
    engine.assertWritable()
    if (opened.snapshot === undefined && opened.tail.length === 0) {
      return await AttachedLog.#begin(engine, queries, log, opened.epoch, options)
    }
    const full = [...engine.buckets.values()].find(({ size }) => size > 0)
    if (full !== undefined) {
      throw new CommitMismatchError(
        `The log has a store of its own, and bucket "${full.name}" has records: start with an empty store`
      )
    }
    const declarations = new Declarations(engine, queries)
    engine.unavailable = new StoreUnavailableError('The store is reading its log and takes no writes yet')
    try {
      await replay(engine, queries, opened, options.onProgress)
    } finally {
      engine.unavailable = undefined
    }
    const attached = new AttachedLog(engine, queries, log, options)
    attached.#declarations = declarations
    attached.#start()
    if (opened.isFollowed === true) attached.#trouble.followFromStart()
    else attached.#takeOver()
    await attached.#snapshots.refresh()
    return attached
  }

  /** Makes the store that of the log's only writer, by commits, so that no revision is given twice. */
  #takeOver (): void {
    removeEnded(this.#engine)
    this.#declarations?.commitMissing()
    this.#declarations = undefined
    this.#snapshots.check()
  }

  /** Makes the store, as it is at the call, the first commit of an empty log; commits go on meanwhile. */
  static async #begin (
    engine: Engine, queries: QueryRegistry, log: ChangeLog, epoch: string, options: AttachOptions
  ): Promise<AttachedLog> {
    const former = { revision: engine.revision, epoch: engine.epoch }
    engine.startAt(Math.max(1, engine.revision), epoch)
    const attached = new AttachedLog(engine, queries, log, options)
    // From this step on, for the commits that come while the first entry is made and appended.
    attached.#appender.hold()
    attached.#start()
    const image = imageInSlices(engine, queries)
    const time = engine.now
    try {
      await log.append([firstEntry(await image, time)], 0)
    } catch (error) {
      attached.#stopListening()
      attached.#isClosed = true
      await attached.#snapshots.stop()
      // They stay: a store without a log is durable at once.
      for (const commit of engine.undoLog.settle(engine.revision)) engine.durableCommits.tell(commit)
      engine.undoLog.isOn = false
      engine.whenDurable = undefined
      attached.#waiters.settle(engine.revision)
      if (engine.revision === 1 && former.revision === 0) engine.startAt(0, former.epoch)
      else engine.startAt(engine.revision, former.epoch)
      throw error
    }
    attached.#appender.release()
    await attached.#snapshots.refresh()
    return attached
  }

  #start (): void {
    this.#engine.undoLog.isOn = true
    this.#engine.whenDurable = this.whenDurable.bind(this)
    this.#stopListening = this.#engine.onApplied(commit => { this.#onCommit(commit) })
    this.#log.onTrouble?.(error => { this.#onTrouble(error) })
  }

  /** Revision up to which all commits are durable. */
  get durableRevision (): number {
    return this.#durable
  }

  /** Backups beside the log; `undefined` where it keeps none. */
  get backups (): LogBackups | undefined {
    return this.#log.backups
  }

  get keepsNotes (): boolean {
    return this.#log.keepsNotes ?? false
  }

  /** Notes of commits, newest first; none where the log keeps none. */
  async * notes (): AsyncIterable<CommitNote> {
    if (this.#log.notes !== undefined) yield * this.#log.notes()
  }

  get status (): DurabilityStatus {
    const { revision, undoLog, now } = this.#engine
    const oldest = undoLog.oldest?.time ?? now
    return {
      mode: 'log',
      state: this.#trouble.state,
      durableRevision: this.#durable,
      lag: { commits: revision - this.#durable, ms: Math.max(0, now - oldest) },
      lastError: this.#trouble.lastError,
      files: this.#snapshots.facts,
      isDiskLow: this.#snapshots.isDiskLow
    }
  }

  /**
   * Resolves when a revision is durable.
   * @throws StoreUnavailableError when it is taken back
   */
  async whenDurable (revision: number): Promise<void> {
    if (revision <= this.#durable) return
    if (this.#isClosed) throw new StoreStoppedError(this.#engine.options.name)
    await this.#waiters.wait(revision)
  }

  /**
   * Makes all commits durable, ends the store for further ones, and closes the log.
   * @throws when commits could not be made durable, or the log does not take any at the end: with the reason
   */
  async close (): Promise<void> {
    try {
      await this.#flush()
      if (!this.#isClosed && this.#trouble.error instanceof StoreUnavailableError) throw this.#trouble.error
    } catch (error) {
      const { cause } = error as Error
      if (!(error instanceof StoreUnavailableError) || cause === undefined) throw error
      throw new StoreUnavailableError(`The log of commits takes none at the end: ${textOf(cause)}`, { cause })
    } finally {
      this.#engine.isStopped = true
      await this.#end()
    }
  }

  /**
   * Refuses further writes, makes all commits durable and closes the log; reads go on.
   * @throws StoreUnavailableError when commits could not be made durable
   */
  async leave (): Promise<void> {
    if (this.#isClosed) return
    this.#trouble.leave()
    try {
      await this.#flush()
    } finally {
      await this.#end()
    }
  }

  async #flush (): Promise<void> {
    // Commits of others may come meanwhile.
    while (this.#durable < this.#engine.revision) await this.whenDurable(this.#engine.revision)
  }

  async #end (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stopListening()
    this.#appender.stop()
    this.#trouble.stop()
    const snapshot = this.#snapshots.stop()
    await this.#log.close()
    await snapshot
  }

  #onCommit (commit: Commit): void {
    if (this.#isApplying) return
    if (commit.undone === true) {
      this.#forget(commit)
      return
    }
    this.#appender.add(commit)
  }

  /** Leaves out a commit that the application takes back: its writer and all that have seen it are told. */
  #forget ({ revision }: Commit): void {
    this.#appender.dropLast(revision)
    this.#waiters.rejectFrom(revision, new StoreUnavailableError('The write was taken back'))
  }

  #settle (revision: number): void {
    this.#durable = revision
    for (const commit of this.#engine.undoLog.settle(revision)) this.#engine.durableCommits.tell(commit)
    this.#waiters.settle(revision)
  }

  #takeBack (cause: unknown): void {
    const outcome = this.#trouble.begin(cause)
    this.#appender.clear()
    const reject = this.#waiters.takeAll()
    this.#engine.undo(this.#durable)
    reject(outcome)
    this.#trouble.regain(cause)
  }

  /** Hears of a trouble between two groups; an append that is under way finds it by itself. */
  #onTrouble (error: Error): void {
    if (!this.#isClosed && !this.#appender.isBusy && this.#trouble.error === undefined) this.#takeBack(error)
  }

  /** Takes over an entry of the log. */
  async #apply (entry: LogEntry): Promise<void> {
    const engine = this.#engine
    const prepared = await prepareBuckets(engine, entry)
    if (this.#isClosed) return
    this.#isApplying = true
    try {
      applyCommit(engine, this.#queries, entry, prepared)
    } finally {
      this.#isApplying = false
    }
    this.#settle(entry.revision)
    if (engine.slicer.isSpent) await engine.slicer.nextTurn()
  }
}
