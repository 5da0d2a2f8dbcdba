import { EventEmitter, once } from 'node:events'

/** Holds whoever passes until the test lets it go: slowness that needs no clock. */
export class Barrier {
  readonly #held: Array<() => void> = []
  readonly #arrivals = new EventEmitter()
  /** How many have come so far. */
  passed = 0
  /** When set, nobody is held any more. */
  #open = false

  /** Resolves when the test lets this one go. */
  async pass (): Promise<void> {
    this.passed++
    if (this.#open) return
    await new Promise<void>(resolve => {
      this.#held.push(resolve)
      this.#arrivals.emit('held')
    })
  }

  /** Resolves when so many are held. */
  async held (count = 1): Promise<void> {
    while (this.#held.length < count) await once(this.#arrivals, 'held')
  }

  /** Waits for somebody and lets the one who came first go. */
  async release (): Promise<void> {
    await this.held()
    this.#held.shift()?.()
  }

  /** Lets everybody go, now and later. */
  open (): void {
    this.#open = true
    for (const go of this.#held.splice(0)) go()
  }
}
