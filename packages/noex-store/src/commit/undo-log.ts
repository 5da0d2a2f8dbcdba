import type { Commit } from '../types/commit.js'
import { CommitMismatchError } from '../errors.js'

/** Takes back one change; those of a commit run in reverse order. */
export type Undo = () => void

interface UndoableCommit {
  readonly commit: Commit
  readonly undo: Undo[]
}

/** Commits that are not durable yet, with what takes them back. */
export class UndoLog {
  #commits: UndoableCommit[] = []
  /** Whether commits are kept: not while each is durable at once. */
  isOn = false

  get size (): number {
    return this.#commits.length
  }

  /** The oldest commit that is not durable. */
  get oldest (): Commit | undefined {
    return this.#commits[0]?.commit
  }

  add (commit: Commit, undo: Undo[]): void {
    if (this.isOn) this.#commits.push({ commit, undo })
  }

  /** Forgets the commits up to a revision: they stay. Returns them. */
  settle (revision: number): Commit[] {
    const at = this.#commits.findIndex(({ commit }) => commit.revision > revision)
    const settled = this.#commits.splice(0, at === -1 ? this.#commits.length : at)
    return settled.map(({ commit }) => commit)
  }

  /**
   * Takes out all commits after a revision, the last one first; `current` is the revision of the store.
   * @throws CommitMismatchError for one that is durable
   */
  takeAfter (revision: number, current: number): UndoableCommit[] {
    const durable = current - this.#commits.length
    if (revision < durable) {
      throw new CommitMismatchError(
        `Revision ${revision} cannot be gone back to: commits up to ${durable} are durable`
      )
    }
    const at = this.#commits.findIndex(({ commit }) => commit.revision > revision)
    return at === -1 ? [] : this.#commits.splice(at).reverse()
  }
}
