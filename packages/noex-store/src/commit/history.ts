import type { Change, Commit } from '../types/commit.js'

/**
 * Changes kept for transactions that are under way; older ones are forgotten, and who has read before them
 * conflicts.
 */
const MAX_CHANGES = 200_000

/** Remembers commits while a reader wants to know what has changed since it began. */
export class CommitHistory {
  readonly #readers = new Set<object>()
  #commits: Commit[] = []
  #changes = 0
  /** Number of commits told so far, those taken back too. */
  #position = 0

  /** The moment that `since` starts from. */
  get position (): number {
    return this.#position
  }

  /** Begins to remember; returns what ends it. */
  begin (): () => void {
    const reader = {}
    this.#readers.add(reader)
    return () => {
      this.#readers.delete(reader)
      if (this.#readers.size > 0) return
      this.#commits = []
      this.#changes = 0
    }
  }

  add (commit: Commit): void {
    this.#position++
    if (this.#readers.size === 0) return
    this.#commits.push(commit)
    this.#changes += commit.changes.length
    while (this.#changes > MAX_CHANGES && this.#commits.length > 1) {
      this.#changes -= (this.#commits.shift() as Commit).changes.length
    }
  }

  /** Changes of a bucket since a position, in order; `undefined` where they are not known any more. */
  since (position: number, bucket: string): Change[] | undefined {
    const count = this.#position - position
    if (count > this.#commits.length) return undefined
    if (count === 0) return []
    const commits = this.#commits.slice(-count)
    return commits.flatMap(
      ({ changes }) => changes.filter(change => 'bucket' in change && change.bucket === bucket)
    )
  }
}
