import type { Engine } from '../commit/engine.js'
import type { CommitListener } from '../commit/commit-notifier.js'
import { Plan } from '../commit/plan.js'
import type { RememberedRequests } from '../commit/remembered-requests.js'
import { applyCommit } from '../log/apply.js'
import type { AttachOptions } from '../log/attached-log.js'
import type { ChangeLog, StoreImage } from '../log/change-log.js'
import { imageInSlices, imageOf } from '../log/image.js'
import type { EndRead, StoreLog } from '../log/store-log.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Commit, CommitNote, RememberOptions } from '../types/commit.js'
import type { DurabilityOptions, DurabilityStatus } from '../types/durability.js'
import type { IncompleteBucket } from '../types/schema.js'
import { StoreQueries } from './store-queries.js'

/** The part of a store that numbers its commits, makes them durable, and takes those of another store. */
export class StoreCommits extends StoreQueries {
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #log: StoreLog

  protected constructor (engine: Engine, queries: QueryRegistry, log: StoreLog) {
    super(queries)
    this.#engine = engine
    this.#queries = queries
    this.#log = log
  }

  /** Number of the last commit: each has one more than the one before. */
  get revision (): number {
    return this.#engine.revision
  }

  /**
   * Text that names the history which revisions count: revisions of two histories have nothing to do with
   * each other.
   */
  get epoch (): string {
    return this.#engine.epoch
  }

  /**
   * Hears of every commit when it is applied, in order; of one that is taken back once more. Returns what
   * ends it.
   */
  onCommit (listener: CommitListener): () => void {
    return this.#engine.appliedCommits.listen(listener)
  }

  /** Hears of every commit when it is durable, in order. Returns what ends it. */
  onDurable (listener: CommitListener): () => void {
    return this.#engine.durableCommits.listen(listener)
  }

  /**
   * Resolves when a revision is durable.
   * @throws StoreUnavailableError when it is taken back
   */
  async whenDurable (revision = this.#engine.revision): Promise<void> {
    await this.#log.whenDurable(revision)
  }

  /** How far the store is durable, and whether it takes writes. */
  get durability (): DurabilityStatus {
    return this.#log.status
  }

  /** Hears when the disk begins or ceases to refuse commits, or to be low. Returns what ends it. */
  onDurabilityChange (listener: (status: DurabilityStatus) => void): () => void {
    return this.#log.onChange(listener)
  }

  /** Whether a note is on the disk as soon as its commit is durable, and `notes` has it after a restart. */
  get keepsNotes (): boolean {
    return this.#log.keepsNotes
  }

  /**
   * Reads the notes of commits from the log, newest first, as far back as it has not been cut; none without a
   * log in files.
   * @throws naming the file with a commit that is damaged
   */
  notes (): AsyncIterable<CommitNote> {
    return this.#log.notes()
  }

  /** The requests that are done once, however often they come: see `WriteOptions.idempotency`. */
  get requests (): RememberedRequests {
    return this.#engine.requests
  }

  /**
   * Remembers a request that was done by several commits, or none, by a commit of its own; its answer is made
   * of `result`. Resolves when that is durable.
   * @throws RequestRepeatedError for one that is remembered
   */
  async rememberRequest (options: RememberOptions, result?: unknown): Promise<void> {
    const plan = new Plan()
    plan.result = result
    this.#engine.commit(plan, options)
    await this.#engine.durably(undefined)
  }

  /**
   * Begins a read whose result is shown to others. Its end, called when all has been read, resolves when
   * every state that was there meanwhile is durable, and is `undefined` where that is so at once. It rejects
   * with `StoreUnavailableError` when one of them was taken back: then the read has to be repeated.
   */
  beginRead (): EndRead {
    return this.#log.beginRead()
  }

  /** Buckets of a log that take no writes: their definitions, or functions in them, were not handed in. */
  get incompleteBuckets (): readonly IncompleteBucket[] {
    return [...this.#engine.buckets.values()]
      .filter(({ missingFunctions }) => missingFunctions.length > 0)
      .map(({ name, missingFunctions }) => ({ bucket: name, functions: missingFunctions }))
  }

  /**
   * Puts in a commit of elsewhere, exactly as it is there.
   * @throws CommitMismatchError when it does not follow
   */
  apply (commit: Commit): void {
    applyCommit(this.#engine, this.#queries, commit)
  }

  /** Refuses all writes with `error`, until called with `undefined`; reads and `apply` go on. */
  refuseWrites (error: Error | undefined): void {
    this.#engine.unavailable = error
  }

  /**
   * Takes back the commits after a revision that are not durable.
   * @throws CommitMismatchError for one that is
   */
  undo (toRevision: number): void {
    this.#engine.undo(toRevision)
  }

  /**
   * Joins the store to a log, to which all commits go from now on, and which is closed with the store. Either
   * is empty: the store becomes what the log says, or the first commit of the log. Where another process
   * writes the log, the store follows it, and refuses writes until the log takes those of this one.
   * @throws CommitMismatchError
   */
  async attachLog (log: ChangeLog, options?: AttachOptions): Promise<void> {
    await this.#log.attach(log, options)
  }

  /**
   * Refuses writes from now on, makes all commits durable, and closes the log; reads go on. A store without a
   * log goes on as it is.
   * @throws StoreUnavailableError when commits could not be made durable; they are taken back
   */
  async leaveLog (): Promise<void> {
    await this.#log.leave()
  }

  /** Takes the image of the store at the revision of the call, in slices: commits go on meanwhile. */
  async takeImage (): Promise<StoreImage> {
    return await imageInSlices(this.#engine, this.#queries)
  }

  /** Takes the image of the store at its present revision, in one step: see `takeImage` for a big store. */
  image (): StoreImage {
    return imageOf(this.#engine, this.#queries)
  }

  /** Joins the store to the log in a folder. @throws as `StoreLog.openFiles` */
  protected async openFiles (durability: Required<DurabilityOptions>): Promise<void> {
    await this.#log.openFiles(durability)
  }
}
