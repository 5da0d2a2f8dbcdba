import { nextTurn } from '../util/slice.js'
import type { SharedStore } from '../store/shared-store.js'

/**
 * Runs the transactions of procedures of one store one after the other, so that they do not conflict. A
 * transaction that takes longer than a turn of the event loop lets the next ones begin.
 */
export class Turns {
  /** Ends the present turn. */
  #endTurn: (() => void) | undefined
  /** Begin the waiting turns, in the order of their calls. */
  readonly #waiting: Array<(end: () => void) => void> = []
  #isWatched = false

  static readonly #shared = new WeakMap<SharedStore, Turns>()

  /** Returns the turns of a store. */
  static of (sharedStore: SharedStore): Turns {
    let turns = Turns.#shared.get(sharedStore)
    if (turns === undefined) Turns.#shared.set(sharedStore, turns = new Turns())
    return turns
  }

  /**
   * Begins a turn, at once when there is none. Returns the function that ends it, which may be called
   * repeatedly, or a promise of it.
   */
  begin (): (() => void) | Promise<() => void> {
    if (this.#endTurn === undefined) return this.#start()
    const beginning = new Promise<() => void>(resolve => { this.#waiting.push(resolve) })
    if (!this.#isWatched) {
      this.#isWatched = true
      this.#watch().catch(() => {})
    }
    return beginning
  }

  #start (): () => void {
    const end = (): void => {
      if (this.#endTurn !== end) return
      this.#endTurn = undefined
      const next = this.#waiting.shift()
      if (next !== undefined) next(this.#start())
    }
    this.#endTurn = end
    return end
  }

  /** While others wait, ends each turn that has begun before the last turn of the event loop. */
  async #watch (): Promise<void> {
    let seen: (() => void) | undefined
    while (this.#waiting.length > 0) {
      if (this.#endTurn === seen) seen?.()
      seen = this.#endTurn
      await nextTurn()
    }
    this.#isWatched = false
  }
}
