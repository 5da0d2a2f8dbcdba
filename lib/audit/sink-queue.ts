import { runInNextTurn, type Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { withTimeout } from '../util/with-timeout.js'
import { auditUnavailable } from './audit-unavailable.js'
import type { RecordedEntry } from './entry.js'
import { Gap } from './gap.js'
import { closeQuietly, writeUntilDurable } from './sink-attempts.js'
import type { NotedCommit } from './noted-commits.js'
import type { AuditSink, SinkCommits, SinkPolicies, SinkWriter } from './sink.js'

/**
 * Entries whose replies wait, together with the requests that have a place for theirs. More requests wait for
 * a place.
 */
const MAX_BLOCKING = 10_000
/** Entries that nobody waits for. More become a gap. */
const MAX_DROPPABLE = 10_000
/** Characters of JSON that may wait, of either kind. */
const MAX_CHARS = 16_777_216
const MAX_BATCH = 4_096
const MAX_BATCH_CHARS = 1_048_576
/**
 * Time for which entries that nobody waits for are gathered, in milliseconds: each write costs a wake-up and
 * a sync.
 */
const GATHER_MS = 20

interface Item {
  readonly recorded: RecordedEntry
  /** Ticks of the clock. */
  readonly since: number
  readonly blocking: boolean
  /** Commits that the entry is about. */
  readonly commits: readonly NotedCommit[]
  /** Tells whoever waits whether the entry is durable; `undefined` when they know, or nobody waits. */
  settle: ((durable: boolean) => void) | undefined
}

const noCommits: readonly NotedCommit[] = []

/** How an entry is queued that no reply waits for. */
const unawaited = { blocking: false, commits: noCommits, settle: undefined }

/** An entry that a crash has taken from a trail, and the commits that it is about. */
export interface RestoredEntry {
  readonly recorded: RecordedEntry
  readonly commits: readonly NotedCommit[]
}

interface Waiter {
  readonly since: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** What `/stats` tells of a sink. */
export interface SinkStats {
  readonly name: string
  /** Why entries do not become durable; `null` while they do. */
  readonly problem: string | null
  /** Entries that are not durable yet. */
  readonly queued: number
  /** Milliseconds since the oldest of them was made. */
  readonly lagMs: number
  /** Entries since the start that were left out, each in a gap that the trail names. */
  readonly dropped: number
}

/**
 * What stands between the requests and one sink: it orders, bounds and batches, and knows when waiting has no
 * use any more.
 */
export class SinkQueue {
  readonly policies: SinkPolicies
  readonly #name: string
  readonly #writeTimeoutMs: number
  readonly #log: Log
  readonly #clock: Clock
  #writer: SinkWriter | undefined
  #waiting: Item[] = []
  #writing: readonly Item[] = []
  /** Entries in `#waiting` whose replies wait. */
  #awaited = 0
  /** Commits whose entries are not durable here, in their order. */
  readonly #expected = new Set<NotedCommit>()
  #places = 0
  #droppable = 0
  #chars = 0
  #waiters: Waiter[] = []
  #gap: Gap | undefined
  #dropped = 0
  #failure: string | undefined
  #scheduled = false
  #cancelGathering: (() => void) | undefined
  #closed = false
  #cancelTimer: (() => void) | undefined
  #idle: Array<() => void> = []

  constructor ({ name, policy }: AuditSink, writeTimeoutMs: number, log: Log, clock: Clock) {
    this.#name = name
    this.policies = policy
    this.#writeTimeoutMs = writeTimeoutMs
    this.#log = log
    this.#clock = clock
  }

  /** Begins to write. What was added before waits for it. */
  start (writer: SinkWriter): void {
    this.#writer = writer
    this.#schedule()
  }

  /**
   * Why a request whose entry must be durable cannot be let in; `undefined` when it can. Names neither path
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
      queued: this.#pending,
      lagMs: Math.round(this.#lagMs),
      dropped: this.#dropped
    }
  }

  /** Brings back entries that a crash takes; `undefined` where the sink has none of it. */
  get commits (): SinkCommits | undefined {
    return this.#writer?.commits
  }

  /** Notes that the entry of a commit will come. */
  expect (commit: NotedCommit): void {
    this.#expected.add(commit)
  }

  /** Notes that a commit was taken back. */
  forget (commit: NotedCommit): void {
    this.#expected.delete(commit)
  }

  /** The revision up to which the entries of all commits before this one are durable here. */
  toldBefore (revision: number): number {
    const [oldest] = this.#expected
    return Math.min(oldest?.revision ?? revision, revision) - 1
  }

  /**
   * Takes a place for an entry that is to be durable; returns a promise when one must become free first,
   * which rejects when none does in time.
   */
  reserve (): Promise<void> | undefined {
    if (this.#waiters.length === 0 && this.#hasPlace) {
      this.#places++
      return undefined
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ since: this.#clock.ticks(), resolve, reject })
      this.#watch()
    })
  }

  /** Gives back a place that is not needed. */
  release (): void {
    this.#places--
    this.#admit()
  }

  /**
   * Adds entries that a start brings back: each takes a place. Resolves with whether all have become durable
   * before waiting lost its use; they stay queued anyway.
   */
  async restore (entries: readonly RestoredEntry[]): Promise<boolean> {
    const durable = await Promise.all(entries.map(async ({ recorded, commits }) => {
      this.#places++
      for (const commit of commits) this.expect(commit)
      return await this.enqueueBlocking(recorded, commits)
    }))
    return durable.every(Boolean)
  }

  /** Adds the entry for which a place is taken, where the log of the store has it already. */
  follow (recorded: RecordedEntry, commits: readonly NotedCommit[]): void {
    this.#push(recorded, { blocking: true, commits, settle: undefined })
  }

  /**
   * Adds the entry for which a place is taken. Resolves with whether it has become durable before waiting
   * lost its use; it stays queued anyway.
   */
  async enqueueBlocking (recorded: RecordedEntry, commits = noCommits): Promise<boolean> {
    return await new Promise(resolve => {
      // The sink has failed while the request ran: its entry is kept, and nobody waits.
      const settle = this.#failure === undefined ? resolve : undefined
      this.#push(recorded, { blocking: true, commits, settle })
      if (settle === undefined) resolve(false)
      else this.#watch()
    })
  }

  /** Adds an entry that nobody waits for. Beyond the bounds it is left out, and the trail says so. */
  enqueueDroppable (recorded: RecordedEntry, commits = noCommits): void {
    if (this.#droppable < MAX_DROPPABLE && this.#chars < MAX_CHARS && !this.#closed) {
      this.#droppable++
      this.#push(recorded, { ...unawaited, commits })
      return
    }
    for (const commit of commits) this.forget(commit)
    const { timestamp } = recorded.entry
    this.#dropped++
    this.#gap ??= new Gap(timestamp)
    this.#gap.add(timestamp)
  }

  /**
   * Ends the sink when everything is durable, or after `writeTimeoutMs`. Resolves with the number of entries
   * that are not.
   */
  async close (): Promise<number> {
    this.#closed = true
    this.#closeGap()
    this.#schedule()
    // Nothing else may keep the process alive by now.
    const alive = setInterval(() => {}, 1_000)
    try {
      await withTimeout(this.#writeTimeoutMs, new Promise<void>(resolve => {
        if (this.#pending === 0) resolve()
        else this.#idle.push(resolve)
      }), this.#clock)
      const writer = this.#writer
      this.#writer = undefined
      if (writer !== undefined) {
        await withTimeout(this.#writeTimeoutMs, closeQuietly(writer, this.#name, this.#log), this.#clock)
      }
      return this.#pending
    } finally {
      clearInterval(alive)
      this.#cancelTimer?.()
      this.#rejectWaiters()
    }
  }

  get #pending (): number {
    return this.#writing.length + this.#waiting.length
  }

  get #hasPlace (): boolean {
    return this.#places < MAX_BLOCKING && this.#chars < MAX_CHARS
  }

  get #lagMs (): number {
    const oldest = this.#writing[0] ?? this.#waiting[0]
    return oldest === undefined ? 0 : this.#clock.ticks() - oldest.since
  }

  #push (recorded: RecordedEntry, item: Pick<Item, 'blocking' | 'commits' | 'settle'>): void {
    this.#closeGap()
    this.#chars += recorded.json.length
    if (item.settle !== undefined) this.#awaited++
    this.#waiting.push({ recorded, since: this.#clock.ticks(), ...item })
    this.#schedule()
  }

  /** What was left out is named where it would have stood. */
  #closeGap (): void {
    const gap = this.#gap
    if (gap === undefined) return
    this.#gap = undefined
    this.#log.warn({ sink: this.#name, ...gap.details }, 'audit entries were left out')
    this.#droppable++
    this.#push(gap.entry(this.#clock.now()), unawaited)
  }

  /**
   * Waits for the end of the tick, so that what comes together is written together; and longer when nobody
   * waits for any of it.
   */
  #schedule (): void {
    if (
      this.#scheduled ||
      this.#writer === undefined ||
      this.#writing.length > 0 ||
      this.#waiting.length === 0
    ) {
      return
    }
    if (this.#awaited === 0 && this.#waiting.length < MAX_BATCH && !this.#closed) {
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
    if (this.#writer === undefined || this.#waiting.length === 0 || this.#writing.length > 0) return
    let count = 0
    let chars = 0
    while (count < this.#waiting.length && count < MAX_BATCH && chars < MAX_BATCH_CHARS) {
      chars += (this.#waiting[count++] as Item).recorded.json.length
    }
    const batch = this.#waiting.splice(0, count)
    this.#writing = batch
    this.#awaited = this.#waiting.reduce((sum, { settle }) => settle === undefined ? sum : sum + 1, 0)
    const attempts = {
      writer: () => this.#writer,
      onFailure: (error: unknown) => { this.onFailure(error, 'it rejects entries') },
      clock: this.#clock
    }
    const entries = batch.map(({ recorded }) => recorded)
    writeUntilDurable(entries, attempts).then(() => { this.#written(batch) }, error => {
      // The sink was closed. What it has not written counts as lost.
      this.#log.error({ err: error, sink: this.#name }, 'audit entries are not durable')
    })
  }

  #written (batch: readonly Item[]): void {
    if (this.#failure !== undefined) this.#log.info({ sink: this.#name }, 'audit sink works again')
    this.#failure = undefined
    this.#writing = []
    for (const item of batch) {
      this.#chars -= item.recorded.json.length
      if (item.blocking) this.#places--
      else this.#droppable--
      for (const commit of item.commits) this.#expected.delete(commit)
      item.settle?.(true)
    }
    if (this.#waiting.length === 0) this.#closeGap()
    this.#admit()
    this.#schedule()
    if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Notes that an attempt to write has failed: all who wait are told at once. */
  onFailure (error: unknown, reason: unknown): void {
    if (this.#failure === undefined) {
      this.#log.error({ err: error, sink: this.#name, queued: this.#pending }, 'audit sink has failed')
    }
    this.#failure = typeof reason === 'string' ? reason : 'it has failed'
    this.#rejectWaiters()
  }

  #rejectWaiters (): void {
    for (const item of [...this.#writing, ...this.#waiting]) {
      item.settle?.(false)
      item.settle = undefined
    }
    for (const { reject } of this.#waiters.splice(0)) reject(auditUnavailable())
  }

  #admit (): void {
    while (this.#waiters.length > 0 && this.#hasPlace) {
      this.#places++
      this.#waiters.shift()?.resolve()
    }
  }

  /** Looks, as long as somebody waits, for those who have waited too long. */
  #watch (): void {
    if (this.#cancelTimer !== undefined) return
    const [first = this.#waiters[0]] = this.#unsettled
    if (first === undefined) return
    const leftMs = Math.max(1, first.since + this.#writeTimeoutMs - this.#clock.ticks())
    this.#cancelTimer = this.#clock.after(leftMs, () => {
      this.#cancelTimer = undefined
      this.#expire()
      this.#watch()
    })
  }

  #expire (): void {
    const latest = this.#clock.ticks() - this.#writeTimeoutMs
    for (const item of this.#unsettled) {
      if (item.since > latest) break
      item.settle?.(false)
      item.settle = undefined
    }
    while (this.#waiters[0] !== undefined && this.#waiters[0].since <= latest) {
      this.#waiters.shift()?.reject(auditUnavailable())
    }
  }

  /** The entries for which somebody waits, oldest first. */
  get #unsettled (): Iterable<Item> {
    const lists = [this.#writing, this.#waiting]
    return (function * () {
      for (const list of lists) for (const item of list) if (item.settle !== undefined) yield item
    })()
  }
}
