import { type CompleteClock, runInNextTurn } from '../util/clock.js'

/** Milliseconds that an engine works at a stretch. */
const SLICE_MS = 10

/** Gives the rest of the process its turn when an engine has worked for 10 ms without waiting for anything. */
export class TimeSlice {
  readonly #clock: CompleteClock
  #sliceStart = 0

  constructor (clock: CompleteClock) {
    this.#clock = clock
  }

  /** A stretch of work begins. */
  begin (): void {
    this.#sliceStart = this.#clock.ticks()
  }

  /** What to wait for before the work goes on; nothing while the stretch is short. */
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
