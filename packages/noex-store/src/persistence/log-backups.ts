import type { InitialContents } from '../commit/definitions.js'
import { restoreBuckets } from '../commit/restores.js'
import { readRemembered } from '../bucket/remembered.js'
import type { Engine } from '../commit/engine.js'
import { BackupNotFoundError, StoreUnavailableError } from '../errors.js'
import { headOf, savedImage } from '../log/backup-format.js'
import type { LogBackups } from '../log/change-log.js'
import { imageInSlices } from '../log/image.js'
import type { QueryRegistry } from '../query/query-registry.js'
import { outlivesProcess } from '../schema/definition-data.js'
import type { BackupInfo } from '../types/persistence.js'

/** Longest name of a backup, in characters. */
const MAX_NAME = 1_000

/** Named copies of all persistent buckets, kept beside the log of a store. */
export class BackupsOfLog {
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #backups: LogBackups

  constructor (engine: Engine, queries: QueryRegistry, backups: LogBackups) {
    this.#engine = engine
    this.#queries = queries
    this.#backups = backups
  }

  /**
   * Copies the store as it is at the call, in slices; resolves when the copy is on the disk.
   * @throws TypeError for a name that cannot be one; StoreUnavailableError when what it has is taken back
   */
  async create (name: string): Promise<BackupInfo> {
    if (typeof name !== 'string' || name.length > MAX_NAME) {
      throw new TypeError(`name: must be a text of at most ${MAX_NAME} characters`)
    }
    const engine = this.#engine
    const { takenBack, now: createdAt, epoch } = engine
    const image = savedImage(await imageInSlices(engine, this.#queries))
    await engine.whenDurable?.(image.revision)
    if (engine.takenBack !== takenBack) {
      throw new StoreUnavailableError('A part of the backup was taken back: the log did not take it')
    }
    const head = headOf(image, { name, createdAt, epoch })
    await this.#backups.create(image, head)
    const { bucketNames, totalRecords } = head
    return { id: name, name, createdAt, bucketNames, totalRecords }
  }

  /** Lists the backups, the oldest first. */
  async list (): Promise<BackupInfo[]> {
    return await this.#backups.list()
  }

  /** Replaces the records of all buckets that are in the backup and defined, in one commit. */
  async restore (name: string): Promise<void> {
    const image = await this.#backups.read(name)
    if (image === undefined) throw new BackupNotFoundError(name)
    const contents = new Map<string, InitialContents>()
    for (const { name: bucket, definition, records, counter, floor, deleted } of image.buckets) {
      if (!outlivesProcess(definition) || !this.#engine.buckets.has(bucket)) continue
      contents.set(bucket, { records, counter, remembered: readRemembered({ floor, deleted }, records) })
    }
    await restoreBuckets(this.#engine, contents)
  }

  /** Deletes a backup. Resolves with whether there was one. */
  async delete (name: string): Promise<boolean> {
    return await this.#backups.delete(name)
  }
}
