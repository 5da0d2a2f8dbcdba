import type { Change, Commit } from '../types/commit.js'

/**
 * Changes kept for transactions that are under way; older ones are forgotten, and who has read before them
 * conflicts.
 */
const MAX_CHANGES = 200_000
/** Estimated bytes of the records that these changes have replaced. */
const MAX_BYTES = 268_435_456
/** Forgotten commits whose places in the list are given back together. */
const MAX_EMPTY = 256

interface Kept {
  readonly commit: Commit
  /** Changes, and bytes, of all commits before it. */
  readonly changes: number
  readonly bytes: number
}

/** Remembers commits while a reader wants to know what has changed since it began. */
export class CommitHistory {
  /** Positions at which readers began, in order. */
  readonly #readers = new Set<{ readonly position: number }>()
  #kept: Array<Kept | undefined> = []
  /** Commits at the beginning of the list that are forgotten. */
  #empty = 0
  #changes = 0
  #bytes = 0
  /** Number of commits told so far, those taken back too. */
  #position = 0

  /** The moment that `since` starts from. */
  get position (): number {
    return this.#position
  }

  /** Whether a reader wants to know of changes. */
  get isRead (): boolean {
    return this.#readers.size > 0
  }

  /** Begins to remember; returns what ends it. */
  begin (): () => void {
    const reader = { position: this.#position }
    this.#readers.add(reader)
    return () => {
      if (this.#readers.delete(reader)) this.#forget()
    }
  }

  /** Adds a commit; `bytes`: about those of its records. */
  add (commit: Commit, bytes = 0): void {
    this.#position++
    if (!this.isRead) return
    this.#kept.push({ commit, changes: this.#changes, bytes: this.#bytes })
    this.#changes += commit.changes.length
    this.#bytes += bytes
    while (this.#size > 1 && this.#isFull) this.#dropTo(this.#empty + 1)
  }

  /** Changes of a bucket since a position, in order; `undefined` where they are not known any more. */
  since (position: number, bucket: string): Change[] | undefined {
    const count = this.#position - position
    if (count > this.#size) return undefined
    const changes: Change[] = []
    for (let i = this.#kept.length - count; i < this.#kept.length; i++) {
      for (const change of (this.#kept[i] as Kept).commit.changes) {
        if ('bucket' in change && change.bucket === bucket) changes.push(change)
      }
    }
    return changes
  }

  /** Counts the changes of all buckets since a position, as far as they are known. */
  countSince (position: number): number {
    const count = Math.min(this.#position - position, this.#size)
    return count === 0 ? 0 : this.#changes - (this.#kept[this.#kept.length - count] as Kept).changes
  }

  get #size (): number {
    return this.#kept.length - this.#empty
  }

  get #isFull (): boolean {
    const oldest = this.#kept[this.#empty] as Kept
    return this.#changes - oldest.changes > MAX_CHANGES || this.#bytes - oldest.bytes > MAX_BYTES
  }

  /** Forgets what no reader can ask for any more. */
  #forget (): void {
    const [oldest] = this.#readers
    const wanted = oldest === undefined ? 0 : this.#position - oldest.position
    if (wanted < this.#size) this.#dropTo(this.#kept.length - wanted)
  }

  #dropTo (first: number): void {
    if (first === this.#kept.length) {
      this.#kept = []
      this.#empty = 0
      return
    }
    while (this.#empty < first) this.#kept[this.#empty++] = undefined
    if (this.#empty > MAX_EMPTY && this.#empty > this.#size) {
      this.#kept = this.#kept.slice(this.#empty)
      this.#empty = 0
    }
  }
}
