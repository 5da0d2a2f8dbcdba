/** Facts about a saved state. */
export interface StateMetadata {
  /** Time of saving, in epoch milliseconds. */
  readonly persistedAt: number
  /** Name of the process or store that saved it. */
  readonly serverId: string
  readonly serverName?: string
  /** The version of the state's shape. */
  readonly schemaVersion: number
  readonly checksum?: string
}

/** A state with the facts about it. */
export interface PersistedState<T> {
  readonly state: T
  readonly metadata: StateMetadata
}

/** The key under which a state is saved: any string. */
export type PersistenceKey = string

/** Keeps states by key. Every method may reject with `StorageError`. */
export interface StorageAdapter {
  /** Saves a state, in place of an earlier one of the same key. */
  save (key: PersistenceKey, data: PersistedState<unknown>): Promise<void>
  /** Loads a state; `undefined` when there is none. */
  load<T> (key: PersistenceKey): Promise<PersistedState<T> | undefined>
  /** Deletes a state; false when there was none. */
  delete (key: PersistenceKey): Promise<boolean>
  /** Tells whether there is a state. */
  exists (key: PersistenceKey): Promise<boolean>
  /** Lists the keys that begin with `prefix`, taken literally. */
  listKeys (prefix?: string): Promise<readonly PersistenceKey[]>
  /** Deletes the states saved longer than `maxAgeMs` milliseconds ago, and counts them. */
  cleanup? (maxAgeMs: number): Promise<number>
  /** Ends the use of the adapter. */
  close? (): Promise<void>
}
