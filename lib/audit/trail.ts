import type { Tier } from '../permissions/policy.js'
import { ApplicationListener } from '../application/application-listener.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import type { NoexStore } from '../store/noex-store.js'
import type { ResolvedAudit } from './audit-options.js'
import { auditUnavailable } from './audit-unavailable.js'
import { recordEntry, withCommit, type AuditEntry, type RecordedEntry } from './entry.js'
import { EntryListener } from './entry-listener.js'
import { missingEntries, type RestoredEntry } from './missing-entries.js'
import type { NotedCommit } from './entry-queue.js'
import { NotedCommits } from './noted-commits.js'
import { Ring, type AuditFilter } from './ring.js'
import type { AuditSink, SinkCommits, SinkStats, SinkWriter } from './sink.js'
import { SinkQueue } from './sink-queue.js'

const RESTORED = 'audit entries that a crash had taken were brought back from the store'
const WAITING = 'audit entries that a crash had taken wait for a sink that does not write them'

/** How an entry is recorded. */
interface Recording {
  readonly tier: Tier
  /** Whether `reserve` has taken slots for it. */
  readonly reserved: boolean
  /** The durable commits of its request. @default none */
  readonly commits?: readonly NotedCommit[]
  /** Whether it is durable in the note of its commit, in the store's log. @default false */
  readonly isKept?: boolean
  /** The logger of the connection that the entry is about, or of the server. */
  readonly log: Log
}

/** An event that is not a request. */
type NotedEvent = Omit<Partial<AuditEntry>, 'userName'> & Pick<AuditEntry, 'operation'> & {
  readonly userName?: string | undefined
}

/** The state of the trail in `/stats`. */
export interface AuditStats {
  /** Entries since the start. */
  readonly entries: number
  readonly sinks: readonly SinkStats[]
}

/**
 * The audit trail of a service: passes every entry to memory, the log, the application and the sinks.
 * PROTOCOL.md, "Audit".
 */
export class AuditTrail {
  readonly #options: ResolvedAudit
  readonly #log: Log
  readonly #clock: Clock
  readonly #listener: EntryListener | undefined
  readonly #tiers: ReadonlySet<Tier | undefined>
  readonly #ring: Ring
  readonly #queues: readonly SinkQueue[]
  readonly #blocking: Readonly<Record<Tier, readonly SinkQueue[]>>
  #commits: NotedCommits | undefined
  #entries = 0

  private constructor (options: ResolvedAudit, log: Log, clock: Clock) {
    this.#options = options
    this.#log = log
    this.#clock = clock
    const { onEntry } = options
    const environment = { log: this.#log, clock }
    this.#listener = onEntry &&
      new EntryListener(new ApplicationListener('audit.onEntry', onEntry, environment))
    this.#tiers = new Set(options.tiers)
    this.#ring = new Ring(options.maxEntries)
    this.#queues = options.sinks.map(sink => new SinkQueue(sink, options.writeTimeoutMs, this.#log, clock))
    const blocking = (tier: Tier): SinkQueue[] =>
      this.#queues.filter(({ policies }) => policies[tier] === 'block')
    this.#blocking = { read: blocking('read'), write: blocking('write'), admin: blocking('admin') }
  }

  /** Opens every sink. Rejects with the error of the first that cannot be opened, and leaves none open. */
  static async open (options: ResolvedAudit, log: Log, clock: Clock): Promise<AuditTrail> {
    const trail = new AuditTrail(options, log, clock)
    try {
      for (const [i, sink] of options.sinks.entries()) {
        const queue = trail.#queues[i] as SinkQueue
        const writer: unknown = await sink.open({
          log: trail.#log,
          clock,
          failing: (error, reason) => { queue.onFailure(error, reason) },
          note (operation, details, error) {
            const failure = error === undefined ? {} : { error: String(error) }
            trail.note({ operation: checkNote(operation), details, ...failure })
          }
        })
        queue.start(checkWriter(writer, sink))
      }
      return trail
    } catch (error) {
      // The first error is the one to report.
      await trail.close().catch(() => {})
      throw error
    }
  }

  /**
   * Connects the trail to the store of its service: restores the entries that a crash took between a commit
   * and the trail, waits for at most `writeTimeoutMs` until they are durable, and from then on makes the
   * notes of commits. Does nothing where the store is not on the disk, or no sink has `commits`.
   * @throws an error that names the file when the store's log cannot be read
   */
  async join (store: NoexStore): Promise<void> {
    if (!store.keepsNotes) return
    const queues = this.#queues.filter(({ commits }) => commits !== undefined)
    if (queues.length === 0) return
    const published = new Set<number>()
    const restored: Array<Promise<void>> = []
    for (const queue of queues) {
      const missing = await missingEntries(store, queue.commits as SinkCommits, this.#log)
      for (const { recorded } of missing) {
        const { revision } = recorded.entry
        if (!published.has(revision as number)) this.#publish(recorded.entry, this.#log)
        published.add(revision as number)
      }
      if (missing.length > 0) restored.push(this.#restore(queue, missing))
    }
    await Promise.all(restored)
    this.#commits = new NotedCommits({ store, queues })
  }

  async #restore (queue: SinkQueue, missing: readonly RestoredEntry[]): Promise<void> {
    const details = { entries: missing.length }
    if (await queue.restore(missing)) this.#log.warn(details, RESTORED)
    else this.#log.error(details, WAITING)
  }

  /** Makes the notes of commits; `undefined` where they have none. */
  get commits (): NotedCommits | undefined {
    return this.#commits
  }

  /** Returns whether requests of this tier are recorded. */
  covers (tier: Tier | undefined): tier is Tier {
    return this.#tiers.has(tier)
  }

  /** Why requests are refused whose entries must be durable; `undefined` while none is. */
  get problem (): string | undefined {
    const blocking = new Set(this.#options.tiers.flatMap(tier => this.#blocking[tier]))
    for (const queue of blocking) if (queue.problem !== undefined) return queue.problem
    return undefined
  }

  get stats (): AuditStats {
    return { entries: this.#entries, sinks: this.#queues.map(({ stats }) => stats) }
  }

  /**
   * Takes a slot for the entry of a request in each sink where it must become durable; returns a promise when
   * one must become free first.
   * @throws `INTERNAL_ERROR` with `details.reason: 'audit_unavailable'`, also as a rejection: then no slot is
   * taken
   */
  reserve (tier: Tier): Promise<void> | undefined {
    const queues = this.#blocking[tier]
    if (queues.some(({ problem }) => problem !== undefined)) throw auditUnavailable()
    let waits = false
    const reservations = queues.map(({ slots }) => {
      const reservation = slots.reserve()
      waits ||= reservation !== undefined
      return reservation
    })
    return waits ? this.#awaitSlots(queues, reservations) : undefined
  }

  async #awaitSlots (
    queues: readonly SinkQueue[],
    reservations: ReadonlyArray<Promise<void> | undefined>
  ): Promise<void> {
    const settled = await Promise.allSettled(reservations)
    if (settled.every(({ status }) => status === 'fulfilled')) return
    settled.forEach(({ status }, i) => { if (status === 'fulfilled') queues[i]?.slots.release(1) })
    throw auditUnavailable()
  }

  /**
   * Records an entry. When the reply must wait, returns a promise that resolves with whether the entry has
   * become durable in time.
   */
  record (recorded: RecordedEntry, recording: Recording): Promise<boolean> | undefined {
    const { tier, reserved, log, commits = [], isKept = false } = recording
    const last = commits.at(-1)
    const full = last === undefined || this.#commits === undefined
      ? recorded
      : withCommit(recorded, { revision: last.revision, epoch: this.#commits.epoch })
    this.#publish(full.entry, log)
    let durable: Promise<boolean> | undefined
    for (const queue of this.#queues) {
      const own = queue.commits === undefined ? recorded : full
      if (!reserved || queue.policies[tier] === 'drop') queue.enqueueDroppable(own, commits)
      else if (isKept && queue.commits !== undefined) queue.enqueueKept(own, commits)
      else durable = both(durable, queue.enqueueBlocking(own, commits))
    }
    return durable
  }

  /** Passes an entry to memory, the log and the application. */
  #publish (entry: AuditEntry, log: Log): void {
    this.#entries++
    this.#ring.add(entry)
    const { logLevel } = this.#options
    if (logLevel !== 'silent') log[logLevel]({ audit: entry }, 'audit')
    this.#listener?.tell(entry)
  }

  /** Records an event that is not a request; it never blocks. */
  note (event: NotedEvent, log = this.#log): void {
    const entry = {
      timestamp: this.#clock.now(),
      userId: null,
      sessionId: null,
      resource: '*',
      result: event.error === undefined ? 'success' as const : 'error' as const,
      remoteAddress: '',
      ...event
    }
    this.record(recordEntry(entry), { tier: 'admin', reserved: false, log })
  }

  /** Returns the entries in memory that match, newest first. */
  query (filter: AuditFilter): AuditEntry[] {
    return this.#ring.query(filter)
  }

  /** Closes every sink. Rejects with the number of entries that did not become durable, if any. */
  async close (): Promise<void> {
    this.#listener?.flush()
    const left = await Promise.all(this.#queues.map(async queue => await queue.close()))
    const lost = Math.max(0, ...left)
    if (lost > 0) throw new Error(`${lost} audit entries did not become durable`)
  }
}

/** Returns the operation of a note. @throws {TypeError} when it is not one of the trail itself */
function checkNote (operation: unknown): string {
  if (typeof operation === 'string' && /^audit\.[a-z]{1,32}$/.test(operation)) return operation
  throw new TypeError('note takes an operation that starts with "audit.", for example "audit.recovered"')
}

/** Checks the writer of a sink. @throws {TypeError} when it has no `write` or `close` */
function checkWriter (writer: unknown, { name }: AuditSink): SinkWriter {
  const { write, close } = (writer ?? {}) as Partial<SinkWriter>
  if (typeof write === 'function' && typeof close === 'function') return writer as SinkWriter
  throw new TypeError(`audit sink "${name}": open must resolve with a writer, { write, close }`)
}

function both (one: Promise<boolean> | undefined, other: Promise<boolean>): Promise<boolean> {
  return one === undefined ? other : Promise.all([one, other]).then(([a, b]) => a && b)
}
