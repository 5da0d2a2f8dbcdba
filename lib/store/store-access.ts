import { setTimeout } from 'node:timers/promises'
import type { BucketHandle } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'
import { QueryRecorder, type ReadListener } from './query-recorder.js'
import { RecordTemplates } from './record-template.js'
import { SchemaGate } from './schema-gate.js'

/** Time that a bucket's rebuild surely takes less than, for one of usual size. */
const REBUILD_PAUSE_MS = 50

const ignoreReads: ReadListener = { readBucket () {}, readRecord () {} }

/** What changed in a store without a store event, so that live queries must be told. */
export type StoreChange =
  /** The bucket's records changed, or its handle did. */
  | { readonly type: 'reset', readonly bucket: string }
  | { readonly type: 'bucket_dropped', readonly bucket: string }
  | { readonly type: 'query_undefined', readonly query: string }

/**
 * What every plugin instance that serves one store has to share about it:
 * a schema change over one instance must hold back the writes of the others and reach their watchers.
 */
export class StoreAccess {
  readonly store: NoexStore
  readonly gate = new SchemaGate()
  readonly templates = new RecordTemplates()
  /** Buckets dropped in this process: a persistent store would bring their records back. */
  readonly dropped = new Set<string>()
  /** The last number that freeNumber has given, by bucket: it need not look at the numbers before again. */
  readonly lastNumbers = new Map<string, number>()
  /** Buckets to whose schema a reference was added later. */
  readonly referencesAdded = new Set<string>()
  readonly #listeners = new Set<(change: StoreChange) => void>()
  readonly #bucket: (name: string) => BucketHandle
  readonly #recorder: QueryRecorder
  #users = 0

  private constructor (store: NoexStore) {
    this.store = store
    this.#bucket = store.bucket.bind(store)
    this.#recorder = new QueryRecorder(store)
  }

  static readonly #shared = new WeakMap<NoexStore, StoreAccess>()

  /** Returns the one access to `store`, which knows what earlier users did; each user calls `close()` once when done. */
  static open (store: NoexStore): StoreAccess {
    let access = StoreAccess.#shared.get(store)
    if (access === undefined) {
      access = new StoreAccess(store)
      StoreAccess.#shared.set(store, access)
    }
    if (access.#users++ === 0) access.#recorder.install()
    return access
  }

  /** The handle of a bucket, to be used at once: a schema change makes handles stale. Throws `BucketNotDefinedError`. */
  bucket (name: string): BucketHandle {
    return this.#bucket(name)
  }

  /**
   * Runs a defined query once; `listener` hears of each read before it happens. Rejects as the query does.
   * An application may rebuild a bucket under a running query, so a query that met a bucket in that moment has a second try.
   */
  async runQuery (query: string, params: unknown, listener: ReadListener = ignoreReads): Promise<unknown> {
    if (this.gate.closed) await this.gate.opened()
    try {
      return await this.#recorder.run(query, params, listener)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ServerNotRunningError') throw error
      await setTimeout(REBUILD_PAUSE_MS)
      await this.gate.opened()
      return await this.#recorder.run(query, params, listener)
    }
  }

  /** Calls `listener` at each change that has no store event. Returns what stops that. */
  onChange (listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  announce (change: StoreChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Leaves the store as it was found once the last user is done. */
  close (): void {
    if (--this.#users === 0) this.#recorder.release()
  }
}
