import { callSafely } from '../util/call-safely.js'
import type { BackgroundWork } from '../scan/background.js'
import type { Slicer } from '../scan/slicer.js'
import type { Commit } from '../types/commit.js'

/** Hears of commits. */
export type CommitListener = (commit: Commit) => unknown

/** Time for which listeners may make each other's commits told in one turn, in milliseconds. */
const MAX_TELLING_MS = 5

interface Told {
  readonly commit: Commit
  readonly onTold: CommitListener | undefined
}

/** Parts of the engine that a notifier uses. */
interface CommitNotifierOptions {
  /** Hears what a listener throws or rejects with. */
  readonly onFailure: (error: unknown) => void
  readonly slicer: Slicer
  readonly background: BackgroundWork
}

/**
 * Tells of commits in their order, one at a time to all listeners: a listener that commits is not
 * interrupted, its commit is told when all have heard the one before. Listeners that write at every commit do
 * not hold the event loop: after 5 ms the rest is told in later turns, in order.
 */
export class CommitNotifier {
  /** Replaced and never changed: who is told of a commit is known when it is begun to be told. */
  #listeners: readonly CommitListener[] = []
  readonly #options: CommitNotifierOptions
  #queue: Told[] = []
  /** Place in the queue of the next one that is told. */
  #next = 0
  #isTelling = false

  constructor (options: CommitNotifierOptions) {
    this.#options = options
  }

  /** Adds a listener; returns what removes it. */
  listen (listener: CommitListener): () => void {
    // Wrapped, so that a function may listen twice.
    const own: CommitListener = commit => listener(commit)
    this.#listeners = [...this.#listeners, own]
    return () => { this.#listeners = this.#listeners.filter(listener => listener !== own) }
  }

  /** Tells of a commit; `onTold` hears of it after all listeners. */
  tell (commit: Commit, onTold?: CommitListener): void {
    this.#queue.push({ commit, onTold })
    if (this.#isTelling) return
    this.#isTelling = true
    if (this.#tellQueue()) return
    this.#options.background.add(this.#tellRest())
  }

  /** Tells what is in the queue for as long as a turn may take. Returns whether all is told. */
  #tellQueue (): boolean {
    let start: number | undefined
    for (;;) {
      const { commit, onTold } = this.#queue[this.#next++] as Told
      this.#deliver(commit)
      if (onTold !== undefined) callSafely(() => onTold(commit), this.#options.onFailure)
      if (this.#next === this.#queue.length) break
      const now = performance.now()
      start ??= now
      if (now - start >= MAX_TELLING_MS) {
        this.#queue = this.#queue.slice(this.#next)
        this.#next = 0
        return false
      }
    }
    this.#queue = []
    this.#next = 0
    this.#isTelling = false
    return true
  }

  async #tellRest (): Promise<void> {
    do await this.#options.slicer.nextTurn()
    while (!this.#tellQueue())
  }

  #deliver (commit: Commit): void {
    const { onFailure } = this.#options
    for (const listener of this.#listeners) callSafely(listener, onFailure, commit)
  }
}
