import { callSafely } from '../events/call-safely.js'
import type { Commit } from '../types/commit.js'

/** Hears of commits. */
export type CommitListener = (commit: Commit) => unknown

/**
 * Tells of commits in their order, one at a time to all listeners: a listener that commits is not
 * interrupted, its commit is told when all have heard the one before.
 */
export class CommitLane {
  /** Replaced and never changed: who is told of a commit is known when it is begun to be told. */
  #listeners: readonly CommitListener[] = []
  readonly #queue: Commit[] = []
  readonly #onFailure: (error: unknown) => void
  readonly #onTold: CommitListener | undefined
  #isTelling = false

  /** `onFailure` hears what a listener throws or rejects with, `onTold` each commit after all listeners. */
  constructor (onFailure: (error: unknown) => void, onTold?: CommitListener) {
    this.#onFailure = onFailure
    this.#onTold = onTold
  }

  /** Adds a listener; returns what removes it. */
  listen (listener: CommitListener): () => void {
    // Wrapped, so that a function may listen twice.
    const own: CommitListener = commit => listener(commit)
    this.#listeners = [...this.#listeners, own]
    return () => { this.#listeners = this.#listeners.filter(listener => listener !== own) }
  }

  tell (commit: Commit): void {
    this.#queue.push(commit)
    if (this.#isTelling) return
    this.#isTelling = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#deliver(next)
    } finally {
      this.#isTelling = false
    }
  }

  #deliver (commit: Commit): void {
    for (const listener of this.#listeners) callSafely(listener, this.#onFailure, commit)
    this.#onTold?.(commit)
  }
}
