import { systemClock } from '../util/clock.js'
import { withTimeout } from '../util/with-timeout.js'

/** Milliseconds that a turn is waited for: one that takes longer does not hold up the others. */
const MAX_WAIT_MS = 500

/**
 * Lets transactions that other writers have overtaken run again one after the other, so that they do not
 * overtake each other. There is one for each store.
 */
export class RepeatQueue {
  #last: Promise<void> = Promise.resolve()

  /** Waits for its turn, no longer than 500 ms. Resolves with the function that ends the turn. */
  async enter (): Promise<() => void> {
    const before = this.#last
    let leave!: () => void
    const turn = new Promise<void>(resolve => { leave = resolve })
    this.#last = before.then(async () => { await turn })
    await withTimeout(MAX_WAIT_MS, before, systemClock)
    return leave
  }
}
