// Those of the moment of loading: under the fake timers of an application's tests, reads still come to an
// end.
const { setImmediate: runInNextTurn, queueMicrotask: runInMicrotask } = globalThis
const { nextTick: runInNextTick } = process
const ticks = performance.now.bind(performance)

/** Time that all sliced work of one turn of the event loop may take, in milliseconds. */
const SLICE_MS = 5

/**
 * Shares the turns of the event loop among long work: in each turn it runs for 5 ms in all, so that what is
 * short is never held up for longer.
 */
export class Slicer {
  readonly #waiting: Array<() => void> = []
  /** When long work was first seen in this turn, in milliseconds; `undefined` until then. */
  #turnStart: number | undefined
  #isLookDue = false

  /** Whether a small part of work was long by itself since the last look at the clock. */
  get isLookDue (): boolean {
    return this.#isLookDue
  }

  /**
   * Whether the long work of this turn must stop, and each part of it wait for `nextTurn`. Costs about as
   * much as a look at a record, so a loop asks once in a while.
   */
  get isSpent (): boolean {
    return this.isSpentAt(ticks())
  }

  /** Whether it must stop at this time of `performance.now()`. */
  isSpentAt (now: number): boolean {
    this.#isLookDue = false
    if (this.#turnStart !== undefined) return now - this.#turnStart >= SLICE_MS
    this.#turnStart = now
    runInNextTurn(this.#endTurn)
    return false
  }

  /** Whether long work waits for its next turn. */
  get isWaitedFor (): boolean {
    return this.#waiting.length > 0
  }

  /** Notes that a small part of work was long by itself: the next pause looks at the clock. */
  noteLong (): void {
    this.#isLookDue = true
  }

  /**
   * Waits for a later turn once this one is spent; looks at the clock at each `every`th call only, and after
   * `noteLong`.
   */
  pause (call: number, every = 32): Promise<void> | undefined {
    if (call % every !== 0 && !this.#isLookDue) return undefined
    return this.isSpent ? this.nextTurn() : undefined
  }

  /**
   * Resolves in a later turn, when what has arrived meanwhile has been read. Those who wait go on one after
   * the other, first come first served, and no more of them in one turn than there is time for.
   */
  async nextTurn (): Promise<void> {
    await new Promise<void>(resolve => { if (this.#waiting.push(resolve) === 1) runInNextTurn(this.#wake) })
  }

  readonly #endTurn = (): void => { this.#turnStart = undefined }

  readonly #wake = (): void => {
    this.#turnStart = ticks()
    this.#wakeOne()
  }

  #wakeOne (): void {
    const resolve = this.#waiting[0] as () => void
    resolve()
    // A tick begins when no promise is left that can go on: then this one has come to its next pause, or is
    // done.
    runInMicrotask(() => { runInNextTick(this.#wakeNext) })
  }

  readonly #wakeNext = (): void => {
    this.#waiting.shift()
    if (this.#waiting.length === 0) return
    if (this.isSpent) runInNextTurn(this.#wake)
    else this.#wakeOne()
  }
}

const SHARED: unique symbol = Symbol.for('noex.slicer.1')

/** That of the process: every store, and what serves it, of whichever copy of this package. */
export const slicer: Slicer = ((globalThis as { [SHARED]?: Slicer })[SHARED] ??= new Slicer())
