import { randomUUID } from 'node:crypto'
import { ChangedKeys } from '../commit/changed-keys.js'
import { defineBucket, dropBucket } from '../commit/definitions.js'
import { Engine } from '../commit/engine.js'
import { purge } from '../commit/expiry.js'
import { ExpiryTimer } from '../commit/expiry-timer.js'
import { adoptBucket, redefineBucket, updateBucket, type RebuildTransform } from '../commit/redefinitions.js'
import { PersistenceRequiredError } from '../errors.js'
import { EventHub, type EventHandler } from '../events/event-hub.js'
import { StoreLog } from '../log/store-log.js'
import { Backups } from '../persistence/backups.js'
import { BucketSaver } from '../persistence/bucket-saver.js'
import { BackupsOfLog } from '../persistence/log-backups.js'
import { QueryRegistry } from '../query/query-registry.js'
import { TransactionContext } from '../transaction/transaction.js'
import { outlivesProcess } from '../schema/definition-data.js'
import type { AccessOptions } from '../types/access.js'
import type { DefinitionOptions, TransactionOptions } from '../types/commit.js'
import type { BucketEvent } from '../types/events.js'
import type { BackupInfo } from '../types/persistence.js'
import type { BucketDefinition, BucketFields, BucketSchemaUpdate } from '../types/schema.js'
import type { StoreOptions, StoreStats } from '../types/store.js'
import type { Views } from '../types/view.js'
import { isThenable } from '../util/value-kinds.js'
import { StoreViews } from '../view/store-views.js'
import { BucketHandle } from './bucket-handle.js'
import { statsOf } from './stats.js'
import { StoreCommits } from './store-commits.js'

/** Number of the interface between stores and what serves them. */
const FORMAT = 1

/** Recognises a store of any copy of this package. */
const MARK: unique symbol = Symbol.for('noex.store')

/** Bounds of the changed keys that a store remembers, until it is given others. */
const CHANGED_KEYS = { maxKeys: 100_000, maxBytes: 16_777_216 }

let startedStores = 0

/** The part of a store that has the buckets: their definitions, records, events and backups. */
export class StoreBuckets extends StoreCommits {
  readonly [MARK] = FORMAT
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #events: EventHub
  readonly #expiry: ExpiryTimer
  readonly #saver: BucketSaver | undefined
  readonly #log: StoreLog
  readonly #views: StoreViews
  /** Which keys have changed since a revision, for readers that come back. */
  readonly changedKeys: ChangedKeys

  protected constructor (options: StoreOptions) {
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
    engine.durableCommits.listen(commit => { events.publish(commit) })
    const queries = new QueryRegistry(engine)
    const log = new StoreLog(engine, queries, options.persistence !== undefined)
    super(engine, queries, log)
    this.#engine = engine
    this.changedKeys = new ChangedKeys(engine, CHANGED_KEYS)
    this.#events = events
    this.#queries = queries
    this.#saver = options.persistence === undefined
      ? undefined
      : new BucketSaver(this.#engine, options.persistence)
    this.#log = log
    engine.whenPresentIsDurable = () => log.whenDurable()
    this.#views = new StoreViews(engine)
    this.#expiry = new ExpiryTimer(this.#engine, options.ttlCheckIntervalMs ?? 1_000)
  }

  get name (): string {
    return this.#engine.options.name
  }

  /** Results of queries that are kept up to date, commit by commit. */
  get views (): Views {
    return this.#views
  }

  /**
   * Defines a bucket; with `persistence` it has the records that were saved under its name. One that was
   * imported takes any definition that its records fit.
   * @throws BucketAlreadyExistsError, DefinitionError, and what the adapter rejects with
   * @example
   * await store.defineBucket('orders', {
   *   key: 'id',
   *   schema: { id: { type: 'string', generated: 'uuid' }, total: { type: 'number', min: 0 } },
   *   indexes: ['total']
   * })
   */
  async defineBucket (
    name: string, definition: BucketDefinition, options?: DefinitionOptions
  ): Promise<void> {
    const known = this.#engine.buckets.get(name)
    const saved = known === undefined && isSaved(definition) ? await this.#saver?.load(name) : undefined
    if (known?.isImported === true) await adoptBucket(this.#engine, name, definition, options)
    else await defineBucket(this.#engine, name, definition, saved, options)
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
   * @example
   * await store.transaction(async tx => {
   *   const orders = await tx.bucket('orders')
   *   if (await orders.count({ state: 'open' }) === 0) await orders.insert({ total: 5 })
   * })
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
    const committing = tx.commitSoon(result)
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
      this.#views.close()
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

/** Whether the records of a bucket are saved; its definition has not been checked yet. */
function isSaved (definition: unknown): boolean {
  const isObject = typeof definition === 'object' && definition !== null
  return !isObject || outlivesProcess(definition as BucketDefinition)
}

function warn (error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error), { type: 'NoexStoreWarning' })
}
