import { nextTurn } from '../slice.js'
import type { StoreAccess } from '../store/store-access.js'

/**
 * Lets transactions of procedures run one after the other, so that they do not overtake each other: a single
 * one has hardly anything to wait for before it commits. One that waits for longer than a turn of the event
 * loop lets the next ones run. There is one for each store.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  /** Ends the turn that has begun. */
  #leave: (() => void) | undefined
  #isWatched = false

  static readonly #shared = new WeakMap<StoreAccess, Turns>()

  /** The turns of a store. */
  static of (access: StoreAccess): Turns {
    let turns = Turns.#shared.get(access)
    if (turns === undefined) Turns.#shared.set(access, turns = new Turns())
    return turns
  }

  /** Waits for its turn. Resolves with the function that ends the turn, as often as it is called. */
  async enter (): Promise<() => void> {
    const before = this.#last
    let end!: () => void
    this.#last = new Promise<void>(resolve => { end = resolve })
    await before
    const leave = (): void => {
      if (this.#leave === leave) this.#leave = undefined
      end()
    }
    this.#leave = leave
    if (!this.#isWatched) {
      this.#isWatched = true
      this.#watch().catch(() => {})
    }
    return leave
  }

  /** Ends a turn that has begun before the last turn of the event loop, until there is none. */
  async #watch (): Promise<void> {
    let seen: (() => void) | undefined
    while (this.#leave !== undefined) {
      if (this.#leave === seen) seen()
      seen = this.#leave
      await nextTurn()
    }
    this.#isWatched = false
  }
}
