/** Facts about a saved state. */
export interface StateMetadata {
  /** Time of saving, in epoch milliseconds. */
  readonly persistedAt: number
  readonly serverId: string
  readonly serverName?: string
  readonly schemaVersion: number
  readonly checksum?: string
}

export interface PersistedState<T> {
  readonly state: T
  readonly metadata: StateMetadata
}

/** Keeps states by key; the interface of the original's adapters. */
export interface StorageAdapter {
  save (key: string, data: PersistedState<unknown>): Promise<void>
  load<T> (key: string): Promise<PersistedState<T> | undefined>
  delete (key: string): Promise<boolean>
  exists (key: string): Promise<boolean>
  listKeys (prefix?: string): Promise<readonly string[]>
  cleanup? (maxAgeMs: number): Promise<number>
  close? (): Promise<void>
}

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

export interface BackupInfo {
  /** The same as `name`. */
  readonly id: string
  readonly name: string
  /** Time of the backup, in epoch milliseconds. */
  readonly createdAt: number
  readonly bucketNames: readonly string[]
  readonly totalRecords: number
}
