import type { Engine } from '../commit/engine.js'
import { StoreUnavailableError } from '../errors.js'
import { callSafely } from '../util/call-safely.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { CommitNote } from '../types/commit.js'
import type { DurabilityNotice, DurabilityOptions, DurabilityStatus } from '../types/durability.js'
import { AttachedLog, type AttachOptions } from './attached-log.js'
import type { ChangeLog, LogBackups } from './change-log.js'
import { FileLog } from './file-log.js'
import { progressNotices } from './recovery.js'

/** Ends what `Store.beginRead` has begun. */
export type EndRead = () => Promise<void> | undefined

/** Notices that go with another status. */
const telling: ReadonlySet<DurabilityNotice['type']> = new Set(
  ['unavailable', 'available', 'disk_low', 'disk_ok', 'following', 'leading']
)

/** The end of a read of states that are all durable. */
const isDurable: EndRead = () => undefined

/** How a store is durable: in memory, with an adapter, or by a log. */
export class StoreLog {
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #hasAdapter: boolean
  readonly #listeners = new Set<(status: DurabilityStatus) => void>()
  #log: AttachedLog | undefined
  /** While the store joins a log. */
  #attaching: Promise<AttachedLog> | undefined

  constructor (engine: Engine, queries: QueryRegistry, hasAdapter: boolean) {
    this.#engine = engine
    this.#queries = queries
    this.#hasAdapter = hasAdapter
  }

  get status (): DurabilityStatus {
    if (this.#log !== undefined) return this.#log.status
    const { revision } = this.#engine
    return {
      mode: this.#attaching !== undefined ? 'log' : this.#hasAdapter ? 'adapter' : 'memory',
      state: this.#attaching !== undefined ? 'recovering' : 'ok',
      durableRevision: revision,
      lag: { commits: 0, ms: 0 },
      lastError: undefined,
      files: undefined,
      isDiskLow: false
    }
  }

  /** Backups beside the log; `undefined` where there is none, or it keeps none. */
  get backups (): LogBackups | undefined {
    return this.#log?.backups
  }

  /** Hears when the log begins or ceases to take commits, or the disk to be low. Returns what ends it. */
  onChange (listener: (status: DurabilityStatus) => void): () => void {
    const own = (status: DurabilityStatus): void => { listener(status) }
    this.#listeners.add(own)
    return () => { this.#listeners.delete(own) }
  }

  /** Waits until the state at the call is durable; `undefined` where it is so at once. */
  whenDurable (revision = this.#engine.revision): Promise<void> | undefined {
    if (this.#attaching === undefined) return this.#log?.whenDurable(revision)
    // Without a log, where joining it fails, what is written is durable at once.
    return this.#attaching.then(async log => { await log.whenDurable(revision) }, () => {})
  }

  get keepsNotes (): boolean {
    return this.#log?.keepsNotes ?? false
  }

  async * notes (): AsyncIterable<CommitNote> {
    if (this.#log !== undefined) yield * this.#log.notes()
  }

  beginRead (): EndRead {
    const log = this.#log
    if (log === undefined) return isDurable
    const engine = this.#engine
    const { takenBack } = engine
    return () => {
      if (engine.takenBack !== takenBack) return Promise.reject(takenBackError())
      return engine.revision > log.durableRevision ? log.whenDurable(engine.revision) : undefined
    }
  }

  /** Joins the store to a log. @throws as `AttachedLog.attach` */
  async attach (log: ChangeLog, { onNotice = () => {}, ...options }: AttachOptions = {}): Promise<void> {
    if (this.#log !== undefined || this.#attaching !== undefined) {
      throw new Error(`Store "${this.#engine.options.name}" has a log already`)
    }
    const attaching = AttachedLog.attach(this.#engine, this.#queries, log, {
      ...options,
      onNotice: notice => {
        this.#call(() => { onNotice(notice) })
        if (telling.has(notice.type)) this.#tell()
      }
    })
    this.#attaching = attaching
    try {
      this.#log = await attaching
    } finally {
      this.#attaching = undefined
    }
  }

  /**
   * Joins the store to the log in a folder, and tells of faults that the start has got over.
   * @throws naming the file and the remedy; then the files are closed again
   */
  async openFiles (options: Required<DurabilityOptions>): Promise<void> {
    const { directory, fsync, snapshotBytes, segmentBytes } = options
    const onNotice = (notice: DurabilityNotice): void => { this.#call(() => { options.onNotice(notice) }) }
    const onProgress = progressNotices(onNotice)
    const log = new FileLog({ directory, fsync, segmentBytes, onProgress })
    try {
      await this.attach(log, { snapshotBytes, onNotice, onProgress })
    } catch (error) {
      await log.close().catch(() => {})
      throw error
    }
    const { torn, damaged } = log.recovered
    if (torn !== undefined) {
      onNotice({
        type: 'torn',
        message: `${directory}: a crash had left the last write half written (${torn.bytes} bytes); ` +
          'it was never acknowledged, and was moved to store.torn'
      })
    }
    if (damaged.length > 0) {
      onNotice({
        type: 'damaged',
        message: `${directory}: damaged snapshots were passed over (${damaged.join(', ')}); ` +
          'older ones and the log have given everything. Check the disk'
      })
    }
  }

  /** @throws as `AttachedLog.leave` */
  async leave (): Promise<void> {
    await this.#log?.leave()
  }

  /** @throws as `AttachedLog.close` */
  async close (): Promise<void> {
    await this.#log?.close()
  }

  #tell (): void {
    const { status } = this
    for (const listener of [...this.#listeners]) this.#call(() => { listener(status) })
  }

  #call (callback: () => unknown): void {
    callSafely(callback, this.#engine.options.onListenerError)
  }
}

function takenBackError (): StoreUnavailableError {
  return new StoreUnavailableError('What was read has been taken back: the log of commits did not take it')
}
