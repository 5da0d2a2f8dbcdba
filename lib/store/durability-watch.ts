import type { Log } from '../util/log.js'
import { NoexOptionsError } from '../util/option-schema.js'
import type { NoexStore } from './noex-store.js'

/** How durable a store is, as the statistics show it. */
export interface DurabilityStats {
  /** `log`: a change is on the disk before its reply; `adapter`: buckets are saved a while after it. */
  readonly mode: 'adapter' | 'log'
  /** Whether each change that is confirmed is on the disk: not with an adapter, and not while unavailable. */
  readonly isDurable: boolean
  /** Whether writes are refused because the log cannot be written. */
  readonly isUnavailable: boolean
  /** Commits that are not durable yet, and the age of the oldest of them. */
  readonly lagCommits: number
  readonly lagMs: number
  /** Bytes of log and snapshots, and free ones on their disk; `null` where there are no files. */
  readonly diskBytes: number | null
  readonly freeBytes: number | null
  /** Whether the disk is so full that room should be made. */
  readonly isDiskLow: boolean
  /** The last failure, also when it is over. */
  readonly lastError: string | null
}

/** Observes whether a store can make commits durable, and logs when that changes. */
export class DurabilityWatch {
  readonly #store: NoexStore
  readonly #log: Log
  #stop = (): void => {}

  constructor (store: NoexStore, log: Log) {
    this.#store = store
    this.#log = log
  }

  /** Whether writes are refused because the log of the store cannot be written. */
  get isUnavailable (): boolean {
    return this.#store.durability.state === 'unavailable'
  }

  /** Whether another process takes the writes, which the store follows. */
  get isFollowing (): boolean {
    return this.#store.durability.state === 'following'
  }

  /** Age of the oldest commit that is not durable yet, in milliseconds; 0 where there is none. */
  get lagMs (): number {
    return this.#store.durability.lag.ms
  }

  /** Disk space that the log of the store uses and has left, in bytes; empty where it has no files. */
  get diskBytes (): ReadonlyArray<readonly [kind: 'log' | 'snapshots' | 'free', bytes: number]> {
    const { files } = this.#store.durability
    if (files === undefined) return []
    const snapshots = files.snapshots.reduce((sum, { bytes }) => sum + bytes, 0)
    return [['log', files.logBytes], ['snapshots', snapshots], ['free', files.freeBytes]]
  }

  /** The statistics; `null` for a store in memory only. */
  get stats (): DurabilityStats | null {
    const { mode, state, lag, files, isDiskLow, lastError } = this.#store.durability
    if (mode === 'memory') return null
    const snapshots = files?.snapshots.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0
    return {
      mode,
      isDurable: mode === 'log' && state === 'ok',
      isUnavailable: state === 'unavailable',
      lagCommits: lag.commits,
      lagMs: lag.ms,
      diskBytes: files === undefined ? null : files.logBytes + snapshots,
      freeBytes: files?.freeBytes ?? null,
      isDiskLow,
      lastError: lastError?.message ?? null
    }
  }

  /** Begins to observe the store. Logs at once where its disk is nearly full. */
  start (): void {
    let { state: former, isDiskLow: wasLow } = this.#store.durability
    if (wasLow) this.#warnOfLowDisk()
    this.#stop = this.#store.onDurabilityChange(({ state, lastError, durableRevision, isDiskLow }) => {
      if (state !== former && state === 'unavailable') {
        this.#log.error({ error: lastError?.message, revision: durableRevision },
          'the store cannot make commits durable: writes are refused until it can')
      } else if (state !== former && state === 'following') {
        this.#log.warn({ revision: durableRevision },
          'another process takes the writes: the store follows it until that ends')
      } else if (state !== former && former === 'following') {
        this.#log.warn({ revision: durableRevision }, 'this process has taken over: writes are accepted')
      } else if (state !== former) {
        const message = 'the store makes commits durable again: writes are accepted'
        this.#log.warn({ revision: durableRevision }, message)
      }
      if (isDiskLow && !wasLow) this.#warnOfLowDisk()
      former = state
      wasLow = isDiskLow
    })
  }

  #warnOfLowDisk (): void {
    this.#log.warn(Object.fromEntries(this.diskBytes.map(([kind, bytes]) => [`${kind}Bytes`, bytes])),
      'the disk of the store has little room left: make some before writes are refused')
  }

  stop (): void {
    this.#stop()
  }
}

/**
 * Refuses a store with a bucket from its log for which this process has not given the definition, or
 * functions of it: all writes to the bucket would be refused.
 * @throws {NoexOptionsError}
 */
export function requireCompleteBuckets (store: NoexStore): void {
  const [first] = store.incompleteBuckets
  if (first === undefined) return
  const { bucket, functions } = first
  const paths = functions.slice(0, 5).join(', ')
  const [missing, remedy] = functions.includes('definition')
    ? ['it was imported without a definition',
        `store.defineBucket('${bucket}', …), or store.dropBucket('${bucket}'),`]
    : [`the functions of its definition (${paths}) were not handed in`,
        `store.defineBucket('${bucket}', …) with them`]
  throw new NoexOptionsError('store', `bucket "${bucket}" came from the log of the store, and ${missing}: ` +
    `call ${remedy} before the plugin is registered`)
}
