import { runInNextTurn, type Clock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import type { Log } from '../util/log.js'
import { withTimeout } from '../util/with-timeout.js'
import type { RecordedEntry } from './entry.js'
import {
  EntryQueue, ExpectedCommits, Gap, settle, type NotedCommit, type QueuedEntry
} from './entry-queue.js'
import { EntrySlots } from './entry-slots.js'
import type { RestoredEntry } from './missing-entries.js'
import { closeQuietly, writeUntilDurable } from './sink-attempts.js'
import type { AuditSink, SinkCommits, SinkPolicies, SinkStats, SinkWriter } from './sink.js'

/**
 * Milliseconds for which entries are gathered that no reply waits for: each write costs a wake-up and a sync.
 */
const GATHER_MS = 20

const noCommits: readonly NotedCommit[] = []

/** How an entry is queued that no reply waits for. */
const unawaited = { blocking: false, commits: noCommits, settle: undefined }

/**
 * The queue before one sink: it orders, bounds and batches entries, tells requests when theirs are durable,
 * and ends the waiting when the sink fails or `writeTimeoutMs` are over.
 */
export class SinkQueue {
  readonly policies: SinkPolicies
  readonly slots: EntrySlots
  readonly expected = new ExpectedCommits()
  readonly #name: string
  readonly #writeTimeoutMs: number
  readonly #log: Log
  readonly #clock: Clock
  readonly #entries = new EntryQueue()
  /** Entries for which a reply waits. */
  readonly #deadlines: DeadlineQueue<QueuedEntry>
  #writer: SinkWriter | undefined
  #gap: Gap | undefined
  #dropped = 0
  #failure: string | undefined
  #scheduled = false
  #cancelGathering: (() => void) | undefined
  #closed = false
  #onEmpty: Array<() => void> = []

  constructor ({ name, policy }: AuditSink, writeTimeoutMs: number, log: Log, clock: Clock) {
    this.#name = name
    this.policies = policy
    this.#writeTimeoutMs = writeTimeoutMs
    this.#log = log
    this.#clock = clock
    this.slots = new EntrySlots({ hasRoom: () => this.#entries.hasRoom, timeoutMs: writeTimeoutMs, clock })
    this.#deadlines = new DeadlineQueue(writeTimeoutMs, clock, entry => { settle(entry, false) })
  }

  /** Starts to write, entries that were added before included. */
  start (writer: SinkWriter): void {
    this.#writer = writer
    this.#schedule()
  }

  /**
   * Why a request whose entry must be durable is refused; `undefined` while it is not. Contains neither path
   * nor address.
   */
  get problem (): string | undefined {
    if (this.#failure !== undefined) return `${this.#name}: ${this.#failure}`
    return this.#lagMs >= this.#writeTimeoutMs
      ? `${this.#name}: nothing has become durable for ${this.#writeTimeoutMs} ms`
      : undefined
  }

  get stats (): SinkStats {
    return {
      name: this.#name,
      problem: this.problem ?? null,
      queued: this.#entries.size,
      lagMs: Math.round(this.#lagMs),
      dropped: this.#dropped
    }
  }

  /** The part of the sink that finds commits in its trail; `undefined` where it has none. */
  get commits (): SinkCommits | undefined {
    return this.#writer?.commits
  }

  /**
   * Adds entries that were lost in a crash; each takes a slot. Resolves with whether all have become durable
   * in time; those that have not stay queued.
   */
  async restore (entries: readonly RestoredEntry[]): Promise<boolean> {
    const durable = await Promise.all(entries.map(async ({ recorded, commits }) => {
      this.slots.take()
      for (const commit of commits) this.expected.add(commit)
      return await this.enqueueBlocking(recorded, commits)
    }))
    return durable.every(Boolean)
  }

  /** Adds an entry that has a slot and is durable in the store's log already: no reply waits for it here. */
  enqueueKept (recorded: RecordedEntry, commits: readonly NotedCommit[]): void {
    this.#add(recorded, { blocking: true, commits, settle: undefined })
  }

  /**
   * Adds an entry that has a slot. Resolves with whether it has become durable in time; otherwise it stays
   * queued.
   */
  async enqueueBlocking (recorded: RecordedEntry, commits = noCommits): Promise<boolean> {
    return await new Promise(resolve => {
      // The sink has failed while the request ran: the entry is queued, and the reply does not wait.
      const settle = this.#failure === undefined ? resolve : undefined
      const entry = this.#add(recorded, { blocking: true, commits, settle })
      if (settle === undefined) resolve(false)
      else this.#deadlines.add(entry)
    })
  }

  /**
   * Adds an entry that no reply waits for. When the queue is full it is left out and becomes part of a gap.
   */
  enqueueDroppable (recorded: RecordedEntry, commits = noCommits): void {
    if (this.#entries.hasRoomForDroppable && !this.#closed) {
      this.#add(recorded, { ...unawaited, commits })
      return
    }
    this.expected.delete(commits)
    const { timestamp } = recorded.entry
    this.#dropped++
    this.#gap ??= new Gap(timestamp)
    this.#gap.add(timestamp)
  }

  /**
   * Closes the sink when everything is durable, or after `writeTimeoutMs`. Resolves with the number of
   * entries that are not durable.
   */
  async close (): Promise<number> {
    this.#closed = true
    this.#closeGap()
    this.#schedule()
    // Nothing else may keep the process alive by now.
    const alive = setInterval(() => {}, 1_000)
    try {
      await withTimeout(this.#writeTimeoutMs, new Promise<void>(resolve => {
        if (this.#entries.size === 0) resolve()
        else this.#onEmpty.push(resolve)
      }), this.#clock)
      const writer = this.#writer
      this.#writer = undefined
      if (writer !== undefined) {
        await withTimeout(this.#writeTimeoutMs, closeQuietly(writer, this.#name, this.#log), this.#clock)
      }
      return this.#entries.size
    } finally {
      clearInterval(alive)
      this.#rejectWaiters()
    }
  }

  /** Records that an attempt to write has failed: every waiting request is told at once. */
  onFailure (error: unknown, reason: unknown): void {
    if (this.#failure === undefined) {
      this.#log.error({ err: error, sink: this.#name, queued: this.#entries.size }, 'audit sink has failed')
    }
    this.#failure = typeof reason === 'string' ? reason : 'it has failed'
    this.#rejectWaiters()
  }

  get #lagMs (): number {
    const { oldestSince } = this.#entries
    return oldestSince === undefined ? 0 : this.#clock.ticks() - oldestSince
  }

  #add (
    recorded: RecordedEntry, how: Pick<QueuedEntry, 'blocking' | 'commits' | 'settle'>
  ): QueuedEntry {
    this.#closeGap()
    const entry = { recorded, since: this.#clock.ticks(), ...how }
    this.#entries.add(entry)
    this.#schedule()
    return entry
  }

  /** Queues the entry of a gap, at the position of the entries that were left out. */
  #closeGap (): void {
    const gap = this.#gap
    if (gap === undefined) return
    this.#gap = undefined
    this.#log.warn({ sink: this.#name, ...gap.details }, 'audit entries were left out')
    this.#add(gap.entry(this.#clock.now()), unawaited)
  }

  /** Starts the next write at the end of the tick, or after `GATHER_MS` while no reply waits. */
  #schedule (): void {
    if (this.#scheduled || this.#writer === undefined || !this.#entries.hasBatch) return
    if (this.#entries.mayGather && !this.#closed) {
      this.#cancelGathering ??= this.#clock.after(GATHER_MS, () => { this.#write() })
      return
    }
    this.#scheduled = true
    runInNextTurn(() => {
      this.#scheduled = false
      this.#write()
    })
  }

  #write (): void {
    this.#cancelGathering?.()
    this.#cancelGathering = undefined
    if (this.#writer === undefined || !this.#entries.hasBatch) return
    const batch = this.#entries.startBatch().map(({ recorded }) => recorded)
    const attempts = {
      writer: () => this.#writer,
      onFailure: (error: unknown) => { this.onFailure(error, 'it rejects entries') },
      clock: this.#clock
    }
    writeUntilDurable(batch, attempts).then(() => { this.#onDurable() }, error => {
      // The sink was closed. Entries that it has not written count as lost.
      this.#log.error({ err: error, sink: this.#name }, 'audit entries are not durable')
    })
  }

  #onDurable (): void {
    if (this.#failure !== undefined) this.#log.info({ sink: this.#name }, 'audit sink works again')
    this.#failure = undefined
    let slots = 0
    for (const entry of this.#entries.finishBatch()) {
      if (entry.blocking) slots++
      this.expected.delete(entry.commits)
      if (entry.settle !== undefined) this.#deadlines.delete(entry)
      settle(entry, true)
    }
    if (this.#entries.isDrained) this.#closeGap()
    this.slots.release(slots)
    this.#schedule()
    if (this.#entries.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  #rejectWaiters (): void {
    this.#entries.settleAll()
    this.#deadlines.clear()
    this.slots.rejectWaiters()
  }
}
