import { setTimeout } from 'node:timers/promises'
import type { AccessOptions, BucketDefinition, BucketHandle, WhereFilter } from '@hamicek/noex-store'
import { fillPlaceholders } from './filter.js'
import { finiteAggregate } from './group-by.js'
import { KnownFields } from './known-fields.js'
import { definitionOf, type NoexStore } from './noex-store.js'
import { QueryRecorder, unreadable, type ReadListener } from './query-recorder.js'
import { RepeatQueue } from './repeat-queue.js'
import { runDeclarative } from './declarative-query.js'
import type { Verdict } from './row-filter.js'
import { SchemaGate } from './schema-gate.js'
import { watchSchema, type StoreChange } from './schema-watch.js'
import { SlicedReads } from './sliced-reads.js'
import { Work } from './work.js'

/** Time that a bucket's rebuild surely takes less than, for one of usual size. */
const REBUILD_PAUSE_MS = 50

const ignoreReads: ReadListener = { readBucket () {}, readRecord () {} }

/**
 * What every plugin instance that serves one store has to share about it:
 * a schema change over one instance must hold back the writes of the others and reach their watchers.
 */
export class StoreAccess {
  readonly store: NoexStore
  readonly gate = new SchemaGate()
  /** Where transactions wait that have to run again. */
  readonly repeats = new RepeatQueue()
  /** The fields that the records of each bucket have. */
  readonly fields: KnownFields
  /** Buckets dropped in this process: a persistent store would bring their records back. */
  readonly dropped = new Set<string>()
  /** Whether the store holds the accounts of the built-in identity: see `SystemBuckets`. */
  hasSystemBuckets = false
  readonly #listeners = new Set<(change: StoreChange) => void>()
  readonly #bucket: (name: string, options?: AccessOptions) => BucketHandle
  readonly #recorder: QueryRecorder
  #bucketNames: Promise<readonly string[]> | undefined
  #users = 0
  #leave: Array<() => void> = []

  private constructor (store: NoexStore) {
    this.store = store
    this.#bucket = store.bucket.bind(store)
    this.#recorder = new QueryRecorder(store)
    this.fields = new KnownFields(store, this.#bucket)
  }

  static readonly #shared = new WeakMap<NoexStore, StoreAccess>()

  /** Returns the one access to `store`, which knows what earlier users did; each user calls `close()` once when done. */
  static open (store: NoexStore): StoreAccess {
    let access = StoreAccess.#shared.get(store)
    if (access === undefined) {
      access = new StoreAccess(store)
      StoreAccess.#shared.set(store, access)
    }
    if (access.#users++ === 0) access.#enter()
    return access
  }

  /** Returns a bucket, confined and counted as `options` say. @throws BucketNotDefinedError */
  bucket (name: string, options?: AccessOptions): BucketHandle {
    return this.#bucket(name, options)
  }

  /**
   * What may be read of a bucket by a request that sees the records that match `rows`, or all; to be used at
   * once. What takes
   * time is done in slices, and counted as its `work`. Throws `BucketNotDefinedError`.
   */
  read (bucket: string, rows: WhereFilter | undefined, work: Work): SlicedReads {
    return new SlicedReads(this.bucket(bucket), this.definition(bucket), rows, work)
  }

  /** The definition of a bucket. Throws `BUCKET_NOT_DEFINED`. */
  definition (bucket: string): BucketDefinition {
    return definitionOf(this.store, bucket)
  }

  /** A query by its name, and the bucket that it reads where it is declarative: only running another one tells what it reads. */
  queryFacts (name: string): { readonly name: string, readonly bucket: string | undefined } {
    return { name, bucket: this.store.getQueryInfo(name)?.config?.bucket }
  }

  /** The names of all buckets. The store tells them with its statistics only, so they are kept until the schema changes. */
  async bucketNames (): Promise<readonly string[]> {
    this.#bucketNames ??= this.store.getStats().then(({ buckets }) => buckets.names)
    try {
      return await this.#bucketNames
    } catch (error) {
      this.#bucketNames = undefined
      throw error
    }
  }

  /**
   * Runs a defined query once for somebody who may read of each bucket what `rows` answers; `listener` hears of each
   * read before it happens. Rejects as the query does, and with `FORBIDDEN` where it opens a bucket that may not be read.
   * With `work` it is done in slices, and counted: what the application's own code reads is never too much.
   * An application may rebuild a bucket under a running query, so a query that met a bucket in that moment has a second try.
   */
  async runQuery (
    query: string, params: unknown, rows: (bucket: string) => Verdict, listener: ReadListener = ignoreReads,
    work?: Work
  ): Promise<unknown> {
    if (this.gate.closed) await this.gate.opened()
    try {
      return await this.#run(query, params, rows, listener, work)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ServerNotRunningError') throw error
      await setTimeout(REBUILD_PAUSE_MS)
      await this.gate.opened()
      return await this.#run(query, params, rows, listener, work)
    }
  }

  async #run (
    query: string, params: unknown, rows: (bucket: string) => Verdict, listener: ReadListener,
    work: Work | undefined
  ): Promise<unknown> {
    if (work === undefined) return await this.#runInStore(query, params, rows, listener)
    const config = this.store.getQueryInfo(query)?.config
    if (config !== undefined) {
      const verdict = rows(config.bucket)
      if (verdict === false) throw unreadable()
      const reads = this.read(config.bucket, verdict === true ? undefined : verdict, work)
      return await runDeclarative(config, params, reads, work)
    }
    const unlimited = new Work(Infinity)
    try {
      return await this.#recorder.run(query, params, rows, listener, unlimited)
    } finally {
      work.add(unlimited.spent)
    }
  }

  async #runInStore (
    query: string,
    params: unknown,
    rows: (bucket: string) => Verdict,
    listener: ReadListener
  ): Promise<unknown> {
    const result = await this.#recorder.run(query, params, rows, listener)
    const { bucket = '', filter = {}, aggregate } = this.store.getQueryInfo(query)?.config ?? {}
    if (aggregate === undefined) return result
    return await finiteAggregate(result, aggregate, async () => {
      const visible = rows(bucket)
      if (visible === false) return []
      const filled = fillPlaceholders(filter, (params ?? {}) as Record<string, unknown>) as WhereFilter
      return await this.read(bucket, visible === true ? undefined : visible, new Work(Infinity)).where(filled)
    })
  }

  /** Calls `listener` at each change that has no store event. Returns what stops that. */
  onChange (listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Tells of a change that has no store event. */
  announce (change: StoreChange): void {
    this.#bucketNames = undefined
    if (change.type === 'bucket_dropped') this.#forget(change.bucket)
    this.fields.storeChanged(change)
    for (const listener of this.#listeners) listener(change)
  }

  /** Leaves the store as it was found once the last user is done. */
  close (): void {
    if (--this.#users > 0) return
    for (const leave of this.#leave) leave()
    this.#leave = []
    this.fields.stop()
  }

  #enter (): void {
    this.#bucketNames = undefined
    this.#leave = [
      this.#recorder.install(),
      watchSchema(this.store, change => { this.announce(change) })
    ]
    this.fields.start(async () => await this.bucketNames())
  }

  #forget (bucket: string): void {
    this.dropped.add(bucket)
  }
}
