import type { Tier } from '../access/policy.js'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { ResolvedAudit } from './audit-options.js'
import { auditUnavailable } from './audit-unavailable.js'
import { recordEntry, type AuditEntry, type EntryInput } from './entry.js'
import { Ring, type AuditFilter } from './ring.js'
import { SinkQueue, type SinkStats } from './sink-queue.js'

/** Time between two lines of the log that say that `onEntry` fails, in milliseconds. */
const COMPLAINT_MS = 60_000

/** How an entry is recorded. */
export interface Recording {
  readonly tier: Tier
  /** Whether `reserve` has taken the places for it. */
  readonly reserved: boolean
  /** The logger of whoever the entry is about. */
  readonly log: Log
}

/** What `/stats` tells of the trail. */
export interface AuditStats {
  /** Entries since the start. */
  readonly entries: number
  readonly sinks: readonly SinkStats[]
}

/** The audit trail of a service: every entry passes here, on its way to memory, the log, the application and the sinks. PROTOCOL.md, "Audit". */
export class AuditTrail {
  readonly #options: ResolvedAudit
  readonly #log: Log
  readonly #clock: Clock
  readonly #tiers: ReadonlySet<Tier | undefined>
  readonly #ring: Ring
  readonly #queues: readonly SinkQueue[]
  readonly #blocking: Readonly<Record<Tier, readonly SinkQueue[]>>
  #entries = 0
  #complainedAt = -Infinity

  private constructor (options: ResolvedAudit, log: Log, clock: Clock) {
    this.#options = options
    this.#log = log
    this.#clock = clock
    this.#tiers = new Set(options.tiers)
    this.#ring = new Ring(options.maxEntries)
    this.#queues = options.sinks.map(sink => new SinkQueue(sink, options.writeTimeoutMs, log, clock))
    const blocking = (tier: Tier): SinkQueue[] => this.#queues.filter(({ policies }) => policies[tier] === 'block')
    this.#blocking = { read: blocking('read'), write: blocking('write'), admin: blocking('admin') }
  }

  /** Opens every sink. Rejects with the first that cannot be opened, and leaves none open. */
  static async open (options: ResolvedAudit, log: Log, clock: Clock): Promise<AuditTrail> {
    const trail = new AuditTrail(options, log, clock)
    try {
      for (const [i, sink] of options.sinks.entries()) {
        const queue = trail.#queues[i] as SinkQueue
        queue.start(await sink.open({
          log,
          clock,
          failing: (error, reason) => { queue.failing(error, reason) },
          note: (operation, details) => { trail.note({ operation, details }) }
        }))
      }
      return trail
    } catch (error) {
      // The first error is the one to know of.
      await trail.close().catch(() => {})
      throw error
    }
  }

  /** Whether requests of this tier are recorded. */
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
   * Takes a place for the entry of a request wherever it must become durable; returns a promise when a place must become free first.
   * @throws `INTERNAL_ERROR` with `details.reason: 'audit_unavailable'`, also as a rejection: then no place is taken.
   */
  reserve (tier: Tier): Promise<void> | undefined {
    const queues = this.#blocking[tier]
    if (queues.some(({ problem }) => problem !== undefined)) throw auditUnavailable()
    let waits = false
    const places = queues.map(queue => {
      const place = queue.reserve()
      waits ||= place !== undefined
      return place
    })
    return waits ? this.#awaitPlaces(queues, places) : undefined
  }

  async #awaitPlaces (queues: readonly SinkQueue[], places: ReadonlyArray<Promise<void> | undefined>): Promise<void> {
    const taken = await Promise.allSettled(places)
    if (taken.every(({ status }) => status === 'fulfilled')) return
    taken.forEach(({ status }, i) => { if (status === 'fulfilled') queues[i]?.release() })
    throw auditUnavailable()
  }

  /** Records an entry. Returns a promise when the reply must wait, which resolves with whether the entry has become durable in time. */
  record (entry: EntryInput, { tier, reserved, log }: Recording): Promise<boolean> | undefined {
    const recorded = recordEntry(entry)
    this.#entries++
    this.#ring.add(recorded.entry)
    const { logLevel } = this.#options
    if (logLevel !== 'silent') log[logLevel]({ audit: recorded.entry }, 'audit')
    this.#tell(recorded.entry)
    let durable: Promise<boolean> | undefined
    for (const queue of this.#queues) {
      if (!reserved || queue.policies[tier] === 'drop') queue.offer(recorded)
      else durable = both(durable, queue.append(recorded))
    }
    return durable
  }

  /** Records what happens outside requests. Nobody waits for it. */
  note (event: Partial<AuditEntry> & Pick<AuditEntry, 'operation'>, log = this.#log): void {
    const entry: AuditEntry = {
      timestamp: this.#clock.now(),
      userId: null,
      sessionId: null,
      resource: '*',
      result: event.error === undefined ? 'success' : 'error',
      remoteAddress: '',
      ...event
    }
    this.record(entry, { tier: 'admin', reserved: false, log })
  }

  /** The entries in memory that match, newest first. */
  query (filter: AuditFilter): AuditEntry[] {
    return this.#ring.query(filter)
  }

  /** Ends every sink. Rejects with the number of entries that did not become durable. */
  async close (): Promise<void> {
    const left = await Promise.all(this.#queues.map(async queue => await queue.close()))
    const lost = Math.max(0, ...left)
    if (lost > 0) throw new Error(`${lost} audit entries did not become durable`)
  }

  #tell (entry: AuditEntry): void {
    const { onEntry } = this.#options
    if (onEntry === undefined) return
    try {
      const told = onEntry(entry)
      if (told instanceof Object && 'then' in told) Promise.resolve(told).catch(error => { this.#complain(error) })
    } catch (error) {
      this.#complain(error)
    }
  }

  #complain (error: unknown): void {
    const now = this.#clock.ticks()
    if (now - this.#complainedAt < COMPLAINT_MS) return
    this.#complainedAt = now
    this.#log.error({ err: error }, 'audit.onEntry has failed; further failures within a minute are not logged')
  }
}

function both (one: Promise<boolean> | undefined, other: Promise<boolean>): Promise<boolean> {
  return one === undefined ? other : Promise.all([one, other]).then(([a, b]) => a && b)
}
