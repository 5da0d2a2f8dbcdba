import type { DurabilityOptions } from './durability.js'
import type { StorePersistenceConfig } from './persistence.js'

/** Options of `Store.start`. */
export interface StoreOptions {
  /** @default `store-N` */
  readonly name?: string
  /**
   * How commits outlive the process: `'memory'` for not at all, a folder for a log of commits, in which each
   * is on the disk before its promise resolves. Excludes `persistence`.
   * @default 'memory'
   */
  readonly durability?: 'memory' | DurabilityOptions
  /** Whole buckets are saved a while after they change; a crash takes the changes of that time. */
  readonly persistence?: StorePersistenceConfig
  /**
   * Time between two looks for records whose time is up, in milliseconds; 0 for none. They are hidden and
   * removed at the next read or write of their bucket in any case.
   * @default 1000
   */
  readonly ttlCheckIntervalMs?: number
  /**
   * Deleted keys that each bucket remembers, so that versions go on and cursors survive.
   * @default 100000
   */
  readonly maxDeletedKeys?: number
  /**
   * Records times conditions that one read may look at; more is refused by `WorkBudgetError`.
   * @default 100000000
   */
  readonly maxWork?: number
  /**
   * Estimated bytes of JSON that a record may have when it is written; a larger one is refused by
   * `InputTooLargeError`.
   * @default 16777216
   */
  readonly maxRecordBytes?: number
  /**
   * Estimated bytes of JSON that the input of one write, batch or transaction may have; a larger one is
   * refused by `InputTooLargeError` before anything of it is committed.
   * @default 67108864
   */
  readonly maxOperationBytes?: number
  /**
   * Time that an asynchronous validator may take before its write is refused, in milliseconds.
   * @default 10000
   */
  readonly validatorTimeoutMs?: number
  /**
   * Returns the time in epoch milliseconds.
   * @default Date.now
   */
  readonly now?: () => number
  /** Hears what listeners and subscribers throw. By default it becomes a warning of the process. */
  readonly onListenerError?: (error: unknown) => void
}

/** Counts of what a store holds. */
export interface StoreStats {
  readonly name: string
  readonly revision: number
  readonly buckets: { readonly count: number, readonly names: readonly string[] }
  readonly records: { readonly total: number, readonly perBucket: Readonly<Record<string, number>> }
  /** Estimated bytes of the records as JSON. */
  readonly bytes: { readonly total: number, readonly perBucket: Readonly<Record<string, number>> }
  /** Declared and unique indexes. */
  readonly indexes: { readonly total: number, readonly perBucket: Readonly<Record<string, number>> }
  readonly queries: { readonly defined: number, readonly activeSubscriptions: number }
  readonly persistence: { readonly enabled: boolean }
  readonly ttl: { readonly enabled: boolean, readonly checkIntervalMs: number }
}
