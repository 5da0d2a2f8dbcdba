// Those of the moment of loading: under the fake timers of an application's tests, reads still come to an
// end.
const { setImmediate: runInNextTurn } = globalThis
const ticks = performance.now.bind(performance)

/** Time that all sliced work of one turn of the event loop may take, in milliseconds. */
const SLICE_MS = 5

/**
 * Shares the turns of the event loop among the long work of one store: in each turn it runs for 5 ms in all,
 * so that what is short is never held up for longer.
 */
export class Slicer {
  readonly #waiting: Array<() => void> = []
  #turnStart = -Infinity
  #isTurnPlanned = false

  /** Whether the work of this turn must stop. */
  get isSpent (): boolean {
    if (this.#turnStart === -Infinity) {
      this.#turnStart = ticks()
      this.#planTurn()
      return false
    }
    return ticks() - this.#turnStart > SLICE_MS
  }

  /** Waits for a later turn once this one is spent; looks at the clock at each `every`th call only. */
  pause (call: number, every = 32): Promise<void> | undefined {
    return call % every === 0 && this.isSpent ? this.nextTurn() : undefined
  }

  /** Resolves when the caller may work on, in a later turn. */
  async nextTurn (): Promise<void> {
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      this.#planTurn()
    })
  }

  #planTurn (): void {
    if (this.#isTurnPlanned) return
    this.#isTurnPlanned = true
    runInNextTurn(() => {
      this.#isTurnPlanned = false
      this.#turnStart = -Infinity
      const next = this.#waiting.shift()
      if (next === undefined) return
      // One of the waiting ones works in this turn; the next one comes in the turn after.
      if (this.#waiting.length > 0) this.#planTurn()
      next()
    })
  }
}
