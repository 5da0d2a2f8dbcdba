import { randomUUID } from 'node:crypto'
import { BucketHandle } from './bucket-handle.js'
import { defineBucket, dropBucket } from './commit/definitions.js'
import { purge } from './commit/expiry.js'
import type { CommitListener } from './commit/lane.js'
import { adoptBucket, redefineBucket, updateBucket, type RebuildTransform } from './commit/redefinitions.js'
import { Engine } from './engine.js'
import { PersistenceRequiredError } from './errors.js'
import { EventHub, type EventHandler } from './events/event-hub.js'
import { applyCommit } from './log/apply.js'
import type { ChangeLog, StoreImage } from './log/change-log.js'
import { resolveDurability } from './log/durability-options.js'
import { imageInSlices, imageOf } from './log/image.js'
import { StoreLog, type EndRead } from './log/store-log.js'
import { Backups } from './persistence/backups.js'
import { BackupsOfLog } from './persistence/log-backups.js'
import { BucketSaver } from './persistence/bucket-saver.js'
import { QueryRegistry } from './query/query-registry.js'
import { checkDefinitions } from './schema/define-schema.js'
import { ExpiryTimer } from './expiry-timer.js'
import { statsOf } from './stats.js'
import { StoreQueries } from './store-queries.js'
import { TransactionContext } from './transaction/transaction.js'
import type { AccessOptions } from './types/access.js'
import type { Commit, CommitNote, DefinitionOptions, TransactionOptions } from './types/commit.js'
import type { DurabilityStatus } from './types/durability.js'
import type { BucketEvent } from './types/events.js'
import type { BackupInfo } from './types/persistence.js'
import type { BucketDefinition, BucketFields, BucketSchemaUpdate, IncompleteBucket } from './types/schema.js'
import type { StoreOptions, StoreStats } from './types/store.js'
import type { StoreSchema } from './types/record-types.js'
import type { TypedStore, TypedStoreOptions } from './types/typed-store.js'

/** Number of the interface between stores and what serves them. */
const FORMAT = 1

/** Recognises a store of any copy of this package. */
const MARK: unique symbol = Symbol.for('noex.store')

let startedStores = 0

/** A set of buckets that change together, commit by commit. */
export class Store extends StoreQueries {
  readonly [MARK] = FORMAT
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #events: EventHub
  readonly #expiry: ExpiryTimer
  readonly #saver: BucketSaver | undefined
  readonly #log: StoreLog

  private constructor (options: StoreOptions) {
    const onListenerError = options.onListenerError ?? warn
    const engine = new Engine({
      name: options.name ?? `store-${++startedStores}`,
      now: options.now ?? Date.now,
      maxDeletedKeys: options.maxDeletedKeys ?? 100_000,
      maxWork: options.maxWork ?? 100_000_000,
      maxRecordBytes: Math.min(
        options.maxRecordBytes ?? 16_777_216, options.maxOperationBytes ?? 67_108_864
      ),
      maxOperationBytes: options.maxOperationBytes ?? 67_108_864,
      validatorTimeoutMs: options.validatorTimeoutMs ?? 10_000,
      onListenerError
    }, randomUUID())
    // Told when it is durable: no subscriber hears of a commit that is taken back.
    const events = new EventHub(onListenerError)
    engine.durableLane.listen(commit => { events.publish(commit) })
    const queries = new QueryRegistry(engine)
    super(queries)
    this.#engine = engine
    this.#events = events
    this.#queries = queries
    this.#saver = options.persistence === undefined
      ? undefined
      : new BucketSaver(this.#engine, options.persistence)
    this.#log = new StoreLog(engine, queries, options.persistence !== undefined)
    engine.whenPresentIsDurable = () => this.#log.whenDurable()
    this.#expiry = new ExpiryTimer(this.#engine, options.ttlCheckIntervalMs ?? 1_000)
  }

  /**
   * Starts a store with the buckets of a schema, and with `durability` those of its log. When one of them
   * cannot be defined, the store is stopped.
   * @throws what `defineBucket` throws; a TypeError that names a wrong option; when the files of `durability`
   * are another process's, or not whole: an error with the file and the remedy
   */
  static start<S extends StoreSchema> (options: TypedStoreOptions<S>): Promise<TypedStore<S>>
  /** Starts a store without buckets, or with those of its log. */
  static start (options?: StoreOptions): Promise<Store>
  static async start (options: StoreOptions & { readonly schema?: StoreSchema } = {}): Promise<Store> {
    const durability = resolveDurability(options.durability, options.persistence !== undefined)
    const store = new Store(options)
    try {
      if (durability !== undefined) await store.#log.openFiles(durability)
      if (options.schema === undefined) return store
      return await store.defineBuckets(options.schema)
    } catch (error) {
      // The first error is the one to know of.
      await store.stop().catch(() => {})
      throw error
    }
  }

  get name (): string {
    return this.#engine.options.name
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
   * Defines a bucket; with `persistence` it has the records that were saved under its name. One that was
   * imported takes any definition that its records fit.
   * @throws BucketAlreadyExistsError, DefinitionError, and what the adapter rejects with
   */
  async defineBucket (
    name: string, definition: BucketDefinition, options?: DefinitionOptions
  ): Promise<void> {
    const known = this.#engine.buckets.get(name)
    const saved = known === undefined && isPersistent(definition) ? await this.#saver?.load(name) : undefined
    if (known?.isImported === true) await adoptBucket(this.#engine, name, definition, options)
    else await defineBucket(this.#engine, name, definition, saved, options)
  }

  /**
   * Defines the buckets of a schema, one after the other, and resolves with this store as one whose buckets
   * have types. Those before one that cannot be defined stay.
   * @throws what `defineBucket` throws
   */
  async defineBuckets<S extends StoreSchema> (schema: S): Promise<TypedStore<S>> {
    checkDefinitions(schema)
    for (const [name, definition] of Object.entries(schema)) await this.defineBucket(name, definition)
    return this as unknown as TypedStore<S>
  }

  /**
   * Returns a bucket's reads and writes, confined and counted as `access` says.
   * @throws BucketNotDefinedError
   */
  bucket (name: string, access?: AccessOptions): BucketHandle {
    this.#engine.bucket(name)
    return new BucketHandle(this.#engine, name, access)
  }

  /**
   * Runs `fn` and commits what it has written, all in one step or nothing. What it has read is checked in
   * that step: it is as if the whole had happened at that moment. Resolves when it is durable, or as
   * `until` says. Where `fn` does not wait, all is done within this call but for that.
   * @throws TransactionConflictError when another writer has changed what was read; what `fn` throws
   */
  async transaction<T> (
    fn: (tx: TransactionContext) => T | Promise<T>, options: TransactionOptions = {}
  ): Promise<T> {
    this.#engine.assertWritable()
    const tx = new TransactionContext(this.#engine, options)
    let result: T
    try {
      const running = fn(tx)
      result = isThenable(running) ? await running : running
    } catch (error) {
      tx.end()
      throw error
    }
    const committing = tx.commitSoon()
    if (committing !== undefined) await committing
    return result
  }

  /**
   * Removes a bucket with its records and ends the subscriptions that read it. Resolves with whether there
   * was one.
   */
  async dropBucket (name: string, options?: DefinitionOptions): Promise<boolean> {
    return await this.#engine.durably(dropBucket(this.#engine, name, options))
  }

  hasBucket (name: string): boolean {
    return this.#engine.buckets.has(name)
  }

  /**
   * Returns the form in which keys of a bucket are compared: that of dates is the same for one instant. Keys
   * of a bucket that does not exist are compared as they are.
   */
  keyOf (bucket: string, key: unknown): unknown {
    return this.#engine.buckets.get(bucket)?.keyOf(key) ?? key
  }

  /** The definition of a bucket, frozen; `undefined` where there is none. */
  getBucketSchema (name: string): BucketDefinition | undefined {
    return this.#engine.buckets.get(name)?.schema.definition
  }

  /** The names of the members that records of a bucket have or had; `undefined` where there is no bucket. */
  fieldsOf (name: string): BucketFields | undefined {
    return this.#engine.buckets.get(name)?.fieldNames
  }

  /**
   * Changes the definition of a bucket; its records stay.
   * @throws BucketNotDefinedError, DefinitionError, UniqueConstraintError
   */
  async updateBucket (
    name: string, updates: BucketSchemaUpdate, options?: DefinitionOptions
  ): Promise<void> {
    await updateBucket(this.#engine, name, updates, options)
  }

  /**
   * Gives a bucket another definition and, by `transform`, other records, in one commit. It is built in
   * slices, while reads and writes go on; a `transform` of all records together is one step, and runs again
   * when another writer has changed the bucket meanwhile.
   * @throws DefinitionError, DuplicateKeyError, UniqueConstraintError, TransactionConflictError
   */
  async rebuildBucket (
    name: string, definition: BucketDefinition, transform?: RebuildTransform
  ): Promise<void> {
    await redefineBucket(this.#engine, name, definition, transform)
  }

  /** Removes all records whose time is up. Resolves with their number. */
  async purgeTtl (): Promise<number> {
    return await purge(this.#engine)
  }

  /** Names of all buckets, in the order in which they were defined. */
  get bucketNames (): readonly string[] {
    return [...this.#engine.buckets.keys()]
  }

  /** Counts what the store holds in the buckets that `isCounted` accepts: by default all. */
  async getStats (isCounted: (bucket: string) => boolean = () => true): Promise<StoreStats> {
    return statsOf(this.#engine, this.#queries, this.#log.status.mode !== 'memory', this.#expiry, isCounted)
  }

  /**
   * Hears of changed records on `bucket.NAME.inserted`, `.updated`, `.deleted`, once they are durable. In a
   * pattern `*` stands for one segment, at the end for one or more. Handlers run before the promise of the
   * write resolves.
   */
  async on<T = BucketEvent> (pattern: string, handler: (message: T, topic: string) => void): Promise<() =>
  Promise<void>> {
    const unsubscribe = this.#events.subscribe(pattern, handler as EventHandler)
    return async () => { unsubscribe() }
  }

  /**
   * Hears of every commit when it is applied, in order; of one that is taken back once more. Returns what
   * ends it.
   */
  onCommit (listener: CommitListener): () => void {
    return this.#engine.lane.listen(listener)
  }

  /** Hears of every commit when it is durable, in order. Returns what ends it. */
  onDurable (listener: CommitListener): () => void {
    return this.#engine.durableLane.listen(listener)
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
   * is empty: the store becomes what the log says, or the first commit of the log.
   * @throws CommitMismatchError
   */
  async attachLog (log: ChangeLog): Promise<void> {
    await this.#log.attach(log)
  }

  /** Takes the image of the store at the revision of the call, in slices: commits go on meanwhile. */
  async takeImage (): Promise<StoreImage> {
    return await imageInSlices(this.#engine, this.#queries)
  }

  /** Takes the image of the store at its present revision, in one step: see `takeImage` for a big store. */
  image (): StoreImage {
    return imageOf(this.#engine, this.#queries)
  }

  /**
   * Copies all buckets under a name, in place of a copy that has it: beside the log, or by the adapter.
   * @throws PersistenceRequiredError
   */
  async createBackup (name = `backup-${Date.now()}`): Promise<BackupInfo> {
    const backups = this.#backups('create backup')
    if (this.#saver !== undefined) await this.#saver.flush()
    return await backups.create(name)
  }

  /** @throws PersistenceRequiredError */
  async listBackups (): Promise<BackupInfo[]> {
    return await this.#backups('list backups').list()
  }

  /**
   * Replaces the records of all buckets that are in a backup and defined, in one commit.
   * @throws PersistenceRequiredError, BackupNotFoundError
   */
  async restoreBackup (nameOrId: string): Promise<void> {
    await this.#backups('restore backup').restore(nameOrId)
  }

  /** @throws PersistenceRequiredError */
  async deleteBackup (nameOrId: string): Promise<boolean> {
    return await this.#backups('delete backup').delete(nameOrId)
  }

  /** Resolves when live queries and indexes in the making are up to date. */
  async settle (): Promise<void> {
    await this.#engine.background.settled()
  }

  /**
   * Saves what is to be saved, and ends the store: every later call rejects.
   * @throws when something cannot be saved or made durable, or the disk refuses commits at the end
   */
  async stop (): Promise<void> {
    if (this.#engine.isStopped) return
    this.#expiry.stop()
    this.#queries.destroy()
    try {
      await this.#log.close()
      await this.#saver?.stop()
    } finally {
      this.#engine.isStopped = true
      this.#events.clear()
      this.#engine.buckets.clear()
    }
  }

  #backups (operation: string): Backups | BackupsOfLog {
    const { backups } = this.#log
    if (backups !== undefined) return new BackupsOfLog(this.#engine, this.#queries, backups)
    if (this.#saver === undefined) throw new PersistenceRequiredError(operation)
    return new Backups(this.#engine, this.#saver)
  }
}

/** Whether a value is a promise, of any making. */
function isThenable<T> (value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}

/** Whether the records of a bucket are saved; its definition has not been checked yet. */
function isPersistent (definition: unknown): boolean {
  return (definition as { readonly persistent?: unknown } | null | undefined)?.persistent !== false
}

function warn (error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'NoexStoreWarning' })
}
