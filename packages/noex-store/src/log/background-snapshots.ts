import type { Engine } from '../commit/engine.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { DurabilityNotice, LogFacts } from '../types/durability.js'
import type { ChangeLog } from './change-log.js'
import { imageInSlices } from './image.js'

interface SnapshotOptions {
  /** Bytes of commits after which the log is cut. */
  readonly snapshotBytes: number
  readonly onNotice: (notice: DurabilityNotice) => void
  /** Resolves when a revision is durable, rejects when it is taken back. */
  readonly whenDurable: (revision: number) => Promise<void>
}

/** Time between two looks at the room that the log takes and has, in milliseconds. */
const FACTS_INTERVAL_MS = 10_000

/** Replaces the beginning of a log by snapshots, while the store goes on, and keeps an eye on the disk. */
export class BackgroundSnapshots {
  readonly #engine: Engine
  readonly #queries: QueryRegistry
  readonly #log: ChangeLog
  readonly #options: SnapshotOptions
  #running: Promise<void> | undefined
  /** Bytes of commits at which the next one is written. */
  #nextBytes: number
  #facts: LogFacts | undefined
  #isLow = false
  #isStopped = false
  readonly #timer: NodeJS.Timeout | undefined

  constructor (engine: Engine, queries: QueryRegistry, log: ChangeLog, options: SnapshotOptions) {
    this.#engine = engine
    this.#queries = queries
    this.#log = log
    this.#options = options
    this.#nextBytes = options.snapshotBytes
    if (log.facts !== undefined) {
      this.#timer = setInterval(() => { this.refresh().catch(() => {}) }, FACTS_INTERVAL_MS).unref()
    }
  }

  /** Room that the log takes and has, as it was seen last. */
  get facts (): LogFacts | undefined {
    return this.#facts
  }

  /** Whether the disk has little room left: see `DurabilityStatus`. */
  get isDiskLow (): boolean {
    return this.#isLow
  }

  /** Begins a snapshot when the log has become long. */
  check (): void {
    const { tailBytes = 0 } = this.#log
    if (this.#running !== undefined || this.#isStopped || tailBytes < this.#nextBytes) return
    this.#running = this.#write().finally(() => { this.#running = undefined })
  }

  /** Looks at the room that the log takes and has. */
  async refresh (): Promise<void> {
    this.#facts = await this.#log.facts?.() ?? this.#facts
    if (this.#facts === undefined) return
    const { freeBytes, snapshots } = this.#facts
    const { snapshotBytes } = this.#options
    // Without snapshots by itself, the log alone does not say how long it becomes.
    const length = Number.isFinite(snapshotBytes) ? snapshotBytes : 0
    const needed = 2 * (length + (snapshots.at(-1)?.bytes ?? 0))
    const isLow = freeBytes < needed
    if (isLow === this.#isLow) return
    this.#isLow = isLow
    const room = `the disk of the store has ${freeBytes} bytes left`
    this.#options.onNotice(isLow
      ? {
          type: 'disk_low',
          message: `${room}, and ${needed} are wanted for snapshots and the log between them: ` +
            'make room before writes are refused'
        }
      : { type: 'disk_ok', message: `${room}, which is enough again` })
  }

  /** Ends it; resolves when a snapshot that is under way has ended, or was given up. */
  async stop (): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#running
  }

  async #write (): Promise<void> {
    const { snapshotBytes, whenDurable, onNotice } = this.#options
    const { takenBack } = this.#engine
    try {
      const image = await imageInSlices(this.#engine, this.#queries)
      // A snapshot must hold nothing that is taken back.
      await whenDurable(image.revision)
      if (this.#engine.takenBack !== takenBack || this.#isStopped) return
      await this.#log.truncate(image)
      this.#nextBytes = snapshotBytes
    } catch (error) {
      if (this.#isStopped || this.#engine.takenBack !== takenBack) return
      this.#nextBytes = (this.#log.tailBytes ?? 0) + snapshotBytes
      const { message } = error as Error
      onNotice({
        type: 'snapshot_failed',
        message: `a snapshot of the store could not be written: ${message}`,
        error: error as Error
      })
    }
    await this.refresh().catch(() => {})
  }
}
