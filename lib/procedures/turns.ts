import { nextTurn } from '../util/slice.js'
import type { SharedStore } from '../store/shared-store.js'

/**
 * Lets transactions of procedures run one after the other, so that they do not overtake each other: a single
 * one has hardly anything to wait for before it commits. One that waits for longer than a turn of the event
 * loop lets the next ones run. There is one for each store.
 */
export class Turns {
  /** Ends the turn that has begun. */
  #leave: (() => void) | undefined
  /** Begin the turns of those who wait, first come first served. */
  readonly #waiting: Array<(leave: () => void) => void> = []
  #isWatched = false

  static readonly #shared = new WeakMap<SharedStore, Turns>()

  /** The turns of a store. */
  static of (sharedStore: SharedStore): Turns {
    let turns = Turns.#shared.get(sharedStore)
    if (turns === undefined) Turns.#shared.set(sharedStore, turns = new Turns())
    return turns
  }

  /**
   * Begins a turn: at once, when there is none. Returns the function that ends it, as often as it is called,
   * or resolves with it.
   */
  enter (): (() => void) | Promise<() => void> {
    if (this.#leave === undefined) return this.#begin()
    const entering = new Promise<() => void>(resolve => { this.#waiting.push(resolve) })
    if (!this.#isWatched) {
      this.#isWatched = true
      this.#watch().catch(() => {})
    }
    return entering
  }

  #begin (): () => void {
    const leave = (): void => {
      if (this.#leave !== leave) return
      this.#leave = undefined
      const next = this.#waiting.shift()
      if (next !== undefined) next(this.#begin())
    }
    this.#leave = leave
    return leave
  }

  /** Ends a turn that has begun before the last turn of the event loop, for as long as others wait. */
  async #watch (): Promise<void> {
    let seen: (() => void) | undefined
    while (this.#waiting.length > 0) {
      if (this.#leave === seen) seen?.()
      seen = this.#leave
      await nextTurn()
    }
    this.#isWatched = false
  }
}
