import { type CompleteClock, runInNextTurn } from '../util/clock.js'

/** Milliseconds of work before the engine yields. */
const SLICE_MS = 10

/** Yields to the rest of the process when an engine has worked for 10 ms without waiting. */
export class TimeSlice {
  readonly #clock: CompleteClock
  #sliceStart = 0

  constructor (clock: CompleteClock) {
    this.#clock = clock
  }

  /** Begins a time slice. */
  begin (): void {
    this.#sliceStart = this.#clock.ticks()
  }

  /** Returns a promise to wait for before the work goes on; none while the time slice lasts. */
  yieldIfOver (): Promise<void> | undefined {
    if (this.#clock.ticks() - this.#sliceStart < SLICE_MS) return undefined
    return new Promise(resolve => {
      runInNextTurn(() => {
        this.begin()
        resolve()
      })
    })
  }
}
