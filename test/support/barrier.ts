import { EventEmitter, once } from 'node:events'

/** Holds each call of `pass` until the test releases it: slowness that needs no clock. */
export class Barrier {
  readonly #held: Array<() => void> = []
  readonly #arrivals = new EventEmitter()
  /** The number of calls so far. */
  passed = 0
  /** When set, no call is held any more. */
  #open = false

  /** Resolves when the test releases this call. */
  async pass (): Promise<void> {
    this.passed++
    if (this.#open) return
    await new Promise<void>(resolve => {
      this.#held.push(resolve)
      this.#arrivals.emit('held')
    })
  }

  /** Resolves when `count` calls are held. */
  async held (count = 1): Promise<void> {
    while (this.#held.length < count) await once(this.#arrivals, 'held')
  }

  /** Waits for a held call and releases the oldest. */
  async release (): Promise<void> {
    await this.held()
    this.#held.shift()?.()
  }

  /** Releases every call, now and later. */
  open (): void {
    this.#open = true
    for (const go of this.#held.splice(0)) go()
  }
}
