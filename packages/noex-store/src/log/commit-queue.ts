import { estimateBytes } from '../schema/size.js'
import type { LogEntry } from './change-log.js'

/** Commits that are appended in one call. */
const MAX_GROUP = 1_000
/** Estimated bytes of their records, unless a single commit has more. */
const MAX_GROUP_BYTES = 1_048_576

/** Commits that wait to be appended to a log. */
export class CommitQueue {
  #entries: LogEntry[] = []

  get size (): number {
    return this.#entries.length
  }

  add (entry: LogEntry): void {
    this.#entries.push(entry)
  }

  /** Leaves out the last commit, where it is the one of this revision. */
  dropLast (revision: number): void {
    if (this.#entries.at(-1)?.revision === revision) this.#entries.pop()
  }

  clear (): void {
    this.#entries = []
  }

  /** Takes out the next commits, so many that they take little memory as text. */
  takeGroup (): LogEntry[] {
    let bytes = 0
    let count = 0
    for (const entry of this.#entries) {
      bytes += bytesOf(entry)
      if (count > 0 && bytes > MAX_GROUP_BYTES) break
      if (++count === MAX_GROUP) break
    }
    return this.#entries.splice(0, count)
  }
}

function bytesOf ({ changes, note = '', idempotency }: LogEntry): number {
  let bytes = note.length + (idempotency?.answer?.length ?? 0)
  for (const change of changes) {
    if ('after' in change && change.after !== undefined) bytes += estimateBytes(change.after)
    else if ('records' in change) bytes += estimateBytes(change.records)
  }
  return bytes
}
