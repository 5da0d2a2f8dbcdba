import type { InitialContents } from '../commit/definitions.js'
import { restoreBuckets } from '../commit/restores.js'
import type { Engine } from '../commit/engine.js'
import { BackupNotFoundError } from '../errors.js'
import { outlivesProcess } from '../schema/definition-data.js'
import type { BackupInfo } from '../types/persistence.js'
import { contentsOf, savedStateOf, type BucketSaver, type PersistedBucketState } from './bucket-saver.js'

/** A backup in the form that the original's adapters hold. */
export interface BackupData {
  readonly meta: Omit<BackupInfo, 'id'>
  readonly buckets: Readonly<Record<string, PersistedBucketState>>
}

/** Named copies of all persistent buckets, kept by the adapter. */
export class Backups {
  readonly #engine: Engine
  readonly #saver: BucketSaver

  constructor (engine: Engine, saver: BucketSaver) {
    this.#engine = engine
    this.#saver = saver
  }

  async create (name: string): Promise<BackupInfo> {
    const { now } = this.#engine
    const saved = [...this.#engine.buckets.values()].filter(
      ({ schema }) => outlivesProcess(schema.definition)
    )
    const entries = saved.map(bucket => [bucket.name, savedStateOf(bucket)] as const)
    const meta = {
      name,
      createdAt: now,
      bucketNames: saved.map(bucket => bucket.name),
      totalRecords: saved.reduce((sum, { size }) => sum + size, 0)
    }
    const data: BackupData = { meta, buckets: Object.fromEntries(entries) }
    await this.#saver.adapter.save(this.#keyOf(name), this.#saver.documentOf(data))
    return { id: name, ...meta }
  }

  /** Lists the backups, the oldest first. */
  async list (): Promise<BackupInfo[]> {
    const backups: BackupInfo[] = []
    for (const key of await this.#saver.adapter.listKeys(this.#keyOf(''))) {
      const saved = await this.#saver.adapter.load<BackupData>(key)
      if (saved !== undefined) backups.push({ id: saved.state.meta.name, ...saved.state.meta })
    }
    return backups.sort((a, b) => a.createdAt - b.createdAt)
  }

  /** Replaces the records of all buckets that are in the backup and defined, in one commit. */
  async restore (name: string): Promise<void> {
    const saved = await this.#saver.adapter.load<BackupData>(this.#keyOf(name))
    if (saved === undefined) throw new BackupNotFoundError(name)
    const contents = new Map<string, InitialContents>()
    for (const [bucket, state] of Object.entries(saved.state.buckets)) {
      if (this.#engine.buckets.has(bucket)) contents.set(bucket, contentsOf(state))
    }
    await restoreBuckets(this.#engine, contents)
  }

  async delete (name: string): Promise<boolean> {
    return await this.#saver.adapter.delete(this.#keyOf(name))
  }

  #keyOf (name: string): string {
    return `${this.#engine.options.name}:backup:${name}`
  }
}
