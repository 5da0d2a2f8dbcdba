import { recordEntry, type RecordedEntry } from './entry.js'

/** Droppable entries that may be queued; more become a gap. */
const MAX_DROPPABLE = 10_000
/** Characters of JSON that may be queued, of either kind. */
const MAX_CHARS = 16_777_216
const MAX_BATCH = 4_096
const MAX_BATCH_CHARS = 1_048_576

/** A commit whose note in the store's log has the entry of its request. */
export interface NotedCommit {
  readonly revision: number
}

/** An entry that is not durable yet. */
export interface QueuedEntry {
  readonly recorded: RecordedEntry
  /** Clock ticks at which it was queued. */
  readonly since: number
  /** Whether it has a slot; otherwise it is droppable. */
  readonly blocking: boolean
  /** Commits that the entry is about. */
  readonly commits: readonly NotedCommit[]
  /** Tells the waiting request whether the entry is durable; `undefined` once told, or when none waits. */
  settle: ((durable: boolean) => void) | undefined
}

/** The entries that one sink has not made durable yet, in order; they leave in batches. */
export class EntryQueue {
  /** Entries in the queue, those of the batch that is being written among them. */
  size = 0
  /** Clock ticks at which the oldest entry was queued; `undefined` when the queue is empty. */
  oldestSince: number | undefined
  /** Whether it takes more entries. */
  hasRoom = true
  #waiting: QueuedEntry[] = []
  #batch: readonly QueuedEntry[] = []
  /** Entries in `#waiting` for which a reply waits. */
  #awaited = 0
  #droppable = 0
  #chars = 0

  get hasRoomForDroppable (): boolean {
    return this.#droppable < MAX_DROPPABLE && this.hasRoom
  }

  /**
   * Tells when the next batch is to be written: `gather` while no reply waits for any of it and it is not
   * full; `undefined` when no entry waits, or a batch is being written.
   */
  get due (): 'now' | 'gather' | undefined {
    if (this.#batch.length > 0 || this.#waiting.length === 0) return undefined
    return this.#awaited === 0 && this.#waiting.length < MAX_BATCH ? 'gather' : 'now'
  }

  add (entry: QueuedEntry): void {
    this.#chars += entry.recorded.json.length
    if (!entry.blocking) this.#droppable++
    if (entry.settle !== undefined) this.#awaited++
    this.#waiting.push(entry)
    this.#update()
  }

  /**
   * Begins the next batch and returns its entries, none while one is being written; they stay in the queue
   * until `finishBatch`.
   */
  startBatch (): readonly QueuedEntry[] {
    if (this.#batch.length > 0) return []
    let count = 0
    let chars = 0
    while (count < this.#waiting.length && count < MAX_BATCH && chars < MAX_BATCH_CHARS) {
      chars += (this.#waiting[count++] as QueuedEntry).recorded.json.length
    }
    this.#batch = this.#waiting.splice(0, count)
    this.#awaited = this.#waiting.reduce((sum, { settle }) => settle === undefined ? sum : sum + 1, 0)
    return this.#batch
  }

  /** Removes the batch that is being written and returns its entries. */
  finishBatch (): readonly QueuedEntry[] {
    const batch = this.#batch
    this.#batch = []
    for (const { recorded, blocking } of batch) {
      this.#chars -= recorded.json.length
      if (!blocking) this.#droppable--
    }
    this.#update()
    return batch
  }

  #update (): void {
    this.size = this.#batch.length + this.#waiting.length
    this.oldestSince = (this.#batch[0] ?? this.#waiting[0])?.since
    this.hasRoom = this.#chars < MAX_CHARS
  }

  /** Tells every waiting request that its entry is not durable; the entries stay in the queue. */
  settleAll (): void {
    for (const entry of [...this.#batch, ...this.#waiting]) settle(entry, false)
  }
}

/** Tells the request that waits for an entry, if one does, whether it is durable. */
export function settle (entry: QueuedEntry, durable: boolean): void {
  entry.settle?.(durable)
  entry.settle = undefined
}

/** Commits whose entries are not durable in one sink. They are added in the order of their revisions. */
export class ExpectedCommits {
  readonly #commits = new Set<NotedCommit>()

  /** Adds a commit, in the step that makes it. */
  add (commit: NotedCommit): void {
    this.#commits.add(commit)
  }

  /** Removes commits: their entry is durable or was left out, or they were rolled back. */
  delete (commits: readonly NotedCommit[]): void {
    for (const commit of commits) this.#commits.delete(commit)
  }

  /** Returns the revision up to which the entries of all commits before `revision` are durable. */
  durableBefore (revision: number): number {
    const [oldest] = this.#commits
    return Math.min(oldest?.revision ?? revision, revision) - 1
  }
}

/** Consecutive entries that were left out of a queue. */
export class Gap {
  readonly #from: number
  #to: number
  #count = 0

  /** @param from time of the first of them, in epoch milliseconds */
  constructor (from: number) {
    this.#from = from
    this.#to = from
  }

  /** Counts one more entry. */
  add (timestamp: number): void {
    this.#count++
    this.#to = timestamp
  }

  get details (): { readonly count: number, readonly from: number, readonly to: number } {
    return { count: this.#count, from: this.#from, to: this.#to }
  }

  /** Returns the entry that stands for them. */
  entry (timestamp: number): RecordedEntry {
    return recordEntry({
      timestamp,
      userId: null,
      sessionId: null,
      operation: 'audit.gap',
      resource: '*',
      result: 'error',
      error: 'entries were left out because too many waited',
      details: this.details,
      remoteAddress: ''
    })
  }
}
