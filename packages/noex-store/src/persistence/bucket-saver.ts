import type { Bucket } from '../bucket/bucket.js'
import { readRemembered, rememberedOf } from '../bucket/remembered.js'
import { recordsOf } from '../commit/copied-records.js'
import type { InitialContents } from '../commit/definitions.js'
import type { Engine } from '../commit/engine.js'
import { outlivesProcess } from '../schema/definition-data.js'
import type { Change, Commit, RememberedKeys } from '../types/commit.js'
import type { PersistedState, StorageAdapter } from '../storage/adapter.js'
import { toError } from '../storage/errors.js'
import type { StorePersistenceConfig } from '../types/persistence.js'
import type { StoreRecord } from '../types/record.js'

/** State of a bucket in the form that the original's adapters hold. */
export interface PersistedBucketState {
  readonly records: ReadonlyArray<readonly [unknown, StoreRecord]>
  readonly autoincrementCounter: number
  /** Deleted keys that are remembered; the original does not know the member. */
  readonly remembered?: RememberedKeys
}

/** The state of a bucket at the moment of the call. */
export function savedStateOf (bucket: Bucket): PersistedBucketState {
  return {
    records: recordsOf(bucket).map(record => [record[bucket.schema.key], record]),
    autoincrementCounter: bucket.counter,
    remembered: rememberedOf(bucket) ?? { floor: 0, deleted: [] }
  }
}

/** The contents that a saved state gives a bucket. */
export function contentsOf (
  { records: entries, autoincrementCounter, remembered }: PersistedBucketState
): InitialContents {
  const records = entries.map(([, record]) => record)
  return { records, counter: autoincrementCounter ?? 0, remembered: readRemembered(remembered, records) }
}

/** Longest pause before a failed save is tried again, in milliseconds. */
const MAX_PAUSE_MS = 5_000

/**
 * Saves whole buckets to an adapter, a while after they have changed; what could not be saved is tried again.
 */
export class BucketSaver {
  readonly adapter: StorageAdapter
  readonly #engine: Engine
  readonly #debounceMs: number
  readonly #onError: ((error: Error) => void) | undefined
  readonly #changed = new Set<string>()
  readonly #dropped = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #saving: Promise<void> = Promise.resolve()

  constructor (engine: Engine, { adapter, debounceMs = 100, onError }: StorePersistenceConfig) {
    this.adapter = adapter
    this.#engine = engine
    this.#debounceMs = debounceMs
    this.#onError = onError
    engine.onApplied(commit => { this.#onCommit(commit) })
  }

  /**
   * Loads what was saved of a bucket; `undefined` when nothing was.
   * @throws what the adapter rejects with: a bucket that cannot be read is not taken for an empty one
   */
  async load (name: string): Promise<InitialContents | undefined> {
    // The state of a dropped bucket is deleted before the name is used again.
    if (this.#dropped.has(name)) await this.flush()
    try {
      const saved = await this.adapter.load<PersistedBucketState>(this.#keyOf(name))
      if (saved === undefined || saved === null) return undefined
      return contentsOf(saved.state)
    } catch (error) {
      this.#report(error)
      throw error
    }
  }

  /**
   * Saves everything that has changed.
   * @throws the first failure; the others are reported
   */
  async flush (): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const before = this.#saving
    this.#saving = before.catch(() => {}).then(async () => { await this.#save() })
    await this.#saving
  }

  /**
   * Saves everything and closes the adapter.
   * @throws the first failure
   */
  async stop (): Promise<void> {
    for (const name of this.#engine.buckets.keys()) this.#note(name)
    try {
      await this.flush()
    } finally {
      clearTimeout(this.#timer)
      await this.adapter.close?.()
    }
  }

  #onCommit ({ changes }: Commit): void {
    for (const change of changes) if ('bucket' in change) this.#onChange(change)
    if (this.#timer === undefined && this.#changed.size + this.#dropped.size > 0) this.#plan(this.#debounceMs)
  }

  #onChange ({ type, bucket }: Change & { readonly bucket: string }): void {
    if (type === 'drop') {
      this.#changed.delete(bucket)
      this.#dropped.add(bucket)
    } else if (type !== 'define') {
      this.#note(bucket)
    }
  }

  #note (name: string): void {
    const bucket = this.#engine.buckets.get(name)
    if (bucket === undefined || outlivesProcess(bucket.schema.definition)) this.#changed.add(name)
  }

  #plan (delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flush().catch(() => {})
    }, delayMs)
  }

  async #save (): Promise<void> {
    const tasks = [
      ...[...this.#dropped].map(
        name =>
          ({ name, names: this.#dropped, run: async () => { await this.adapter.delete(this.#keyOf(name)) } })
      ),
      ...[...this.#changed].map(
        name => ({ name, names: this.#changed, run: async () => { await this.#saveBucket(name) } })
      )
    ]
    const failures: unknown[] = []
    for (const { name, names, run } of tasks) {
      names.delete(name)
      try {
        await run()
      } catch (error) {
        names.add(name)
        failures.push(error)
        this.#report(error)
      }
    }
    this.#failures = failures.length === 0 ? 0 : this.#failures + 1
    if (failures.length === 0) return
    if (this.#timer === undefined && !this.#engine.isStopped) {
      this.#plan(Math.min(MAX_PAUSE_MS, Math.max(1, this.#debounceMs) * 2 ** Math.min(this.#failures, 10)))
    }
    throw failures[0]
  }

  async #saveBucket (name: string): Promise<void> {
    const bucket = this.#engine.buckets.get(name)
    if (bucket === undefined) return
    await this.adapter.save(this.#keyOf(name), this.documentOf(savedStateOf(bucket)))
  }

  /** Returns a state with the facts that adapters keep beside it. */
  documentOf<T> (state: T): PersistedState<T> {
    return {
      state,
      metadata: { persistedAt: this.#engine.now, serverId: this.#engine.options.name, schemaVersion: 1 }
    }
  }

  #keyOf (bucket: string): string {
    return `${this.#engine.options.name}:bucket:${bucket}`
  }

  #report (error: unknown): void {
    this.#onError?.(toError(error))
  }
}
