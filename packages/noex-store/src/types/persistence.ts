import type { StorageAdapter } from '../storage/adapter.js'

/** Saving of whole buckets, a while after they have changed. */
export interface StorePersistenceConfig {
  readonly adapter: StorageAdapter
  /**
   * Time from a change to its saving, in milliseconds.
   * @default 100
   */
  readonly debounceMs?: number
  /** Hears of every save and load that fails. */
  readonly onError?: (error: Error) => void
}

/** Description of a backup. */
export interface BackupInfo {
  /** The same as `name`. */
  readonly id: string
  readonly name: string
  /** Time of the backup, in epoch milliseconds. */
  readonly createdAt: number
  readonly bucketNames: readonly string[]
  readonly totalRecords: number
}
