import type { NoexStore } from '../store/noex-store.js'
import type { Log } from '../util/log.js'
import { NoexOptionsError } from '../util/option-schema.js'
import type { ResolvedCluster } from './cluster-options.js'
import { PostgresLog } from './postgres-log.js'

/** Characters of commits after which the log is cut by a snapshot. */
const SNAPSHOT_CHARS = 67_108_864
/** Time for which nothing is said of a start, and between two words, in milliseconds. */
const QUIET_MS = 1_000

/** The store's part in a log that several processes share. */
export class Membership {
  readonly #store: NoexStore

  private constructor (store: NoexStore) {
    this.#store = store
  }

  /**
   * Joins a store in memory to the log that the option `cluster` names, and resolves when it leads, or
   * follows and has caught up.
   * @throws NoexOptionsError for a store that has another durability, or does not fit the log
   */
  static async join (
    { postgres, name, leaseMs }: ResolvedCluster, store: NoexStore, log: Log
  ): Promise<Membership> {
    const { mode } = store.durability
    if (mode !== 'memory' || typeof store.attachLog !== 'function') {
      throw new NoexOptionsError('store', mode === 'memory'
        ? 'is of a version without attachLog, which cluster needs: take both from one version'
        : 'must be in memory with cluster, which keeps its commits: start it without durability and ' +
          'persistence')
    }
    const source = typeof postgres === 'string'
      ? { connectionString: postgres, pool: undefined }
      : { connectionString: undefined, pool: postgres }
    const postgresLog = new PostgresLog({
      source,
      name,
      leaseMs,
      onProgress: progressLines(log),
      onDamaged: revisions => {
        log.warn({ revisions },
          'damaged snapshots of the log were passed over; an older one and the log have everything')
      }
    })
    try {
      await store.attachLog(postgresLog, {
        snapshotBytes: SNAPSHOT_CHARS,
        onNotice ({ type, message, error }) {
          if (type === 'snapshot_failed') log.warn({ err: error }, message)
        }
      })
    } catch (error) {
      await postgresLog.close()
      const { name: kind, message } = error as Error
      if (kind !== 'CommitMismatchError') throw error
      throw new NoexOptionsError(
        'store', `does not fit the log "${name}" of cluster: ${message}`, { cause: error }
      )
    }
    const { revision, epoch, durability } = store
    log.info({ log: name, revision, epoch, state: durability.state }, durability.state === 'following'
      ? 'the store follows another process, which takes the writes'
      : 'the store has its log in PostgreSQL and takes writes')
    return new Membership(store)
  }

  /** Refuses writes, makes all commits durable, and gives the lease to the next process. */
  async leave (): Promise<void> {
    await this.#store.leaveLog()
  }
}

/** Returns what logs how much of a log has been read, once a second from the first second on. */
function progressLines (log: Log): (chars: number) => void {
  let next = performance.now() + QUIET_MS
  let characters = 0
  return chars => {
    characters += chars
    if (performance.now() < next) return
    next = performance.now() + QUIET_MS
    log.info({ characters }, 'the log of the store is read')
  }
}
