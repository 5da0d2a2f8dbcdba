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
  #waiting: QueuedEntry[] = []
  #batch: readonly QueuedEntry[] = []
  /** Entries in `#waiting` for which a reply waits. */
  #awaited = 0
  #droppable = 0
  #chars = 0

  /** Entries in the queue, those of the batch that is being written among them. */
  get size (): number {
    return this.#batch.length + this.#waiting.length
  }

  /** Clock ticks at which the oldest entry was queued; `undefined` when the queue is empty. */
  get oldestSince (): number | undefined {
    return (this.#batch[0] ?? this.#waiting[0])?.since
  }

  get hasRoom (): boolean {
    return this.#chars < MAX_CHARS
  }

  get hasRoomForDroppable (): boolean {
    return this.#droppable < MAX_DROPPABLE && this.hasRoom
  }

  /** Whether no entry is outside the batch that is being written. */
  get isDrained (): boolean {
    return this.#waiting.length === 0
  }

  /** Whether entries wait and no batch is being written. */
  get hasBatch (): boolean {
    return this.#batch.length === 0 && this.#waiting.length > 0
  }

  /** Whether the next batch may wait for more entries: no reply waits for any of it, and it is not full. */
  get mayGather (): boolean {
    return this.#awaited === 0 && this.#waiting.length < MAX_BATCH
  }

  add (entry: QueuedEntry): void {
    this.#chars += entry.recorded.json.length
    if (!entry.blocking) this.#droppable++
    if (entry.settle !== undefined) this.#awaited++
    this.#waiting.push(entry)
  }

  /** Begins the next batch and returns its entries; they stay in the queue until `finishBatch`. */
  startBatch (): readonly QueuedEntry[] {
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
    return batch
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
