import { NoexServerError } from '../protocol/errors.js'
import { isTurnOver, nextTurn, noteWork } from '../util/slice.js'

/** Units of work between two looks at the clock: some microseconds. */
const UNITS_UNWATCHED = 256

/** Units that a record which is written takes: as long as so many conditions take to look at. */
export const UNITS_PER_WRITE = 100

/**
 * The work that one request takes, in units: a condition that is looked at for a record is one. It is counted
 * before it is done,
 * and refused beyond the budget. PROTOCOL.md, "Work".
 */
export class Work {
  readonly #budget: number
  #spent = 0
  #forgiven = 0

  /** `budget`: units that the request may take; `Infinity` for the server's own work. */
  constructor (budget: number) {
    this.#budget = budget
  }

  /** Units so far. */
  get spent (): number {
    return this.#spent
  }

  /**
   * Counts work that is about to be done. @throws `VALIDATION_ERROR` with `{ workBudget }` when that is more
   * than the budget allows
   */
  take (units: number): void {
    if (this.#spent - this.#forgiven + units > this.#budget) {
      throw new NoexServerError('VALIDATION_ERROR',
        `The request takes more than its workBudget of ${this.#budget} units (records × conditions): ` +
        'ask for less, or by an indexed field',
        { workBudget: this.#budget })
    }
    this.#spent += units
    noteWork(units / UNITS_UNWATCHED)
  }

  /** Counts work that has been done within a limit of its own. */
  add (units: number): void {
    this.#spent += units
  }

  /** Lets work that was for nothing not count against the budget: it must be done again. */
  forgive (units: number): void {
    this.#forgiven += units
  }

  /** Lets others have their turn if this request has held them up for long enough. */
  async pause (): Promise<void> {
    if (isTurnOver()) await nextTurn()
  }

  /**
   * Calls `visit` with each item, in slices, until it returns `false`; each takes `units`, which the caller
   * has counted.
   * `items` must not change meanwhile.
   */
  async each<T> (
    items: readonly T[], units: number, visit: (item: T, index: number) => unknown
  ): Promise<void> {
    const stride = Math.max(1, Math.floor(UNITS_UNWATCHED / units))
    for (let i = 0; i < items.length;) {
      const end = Math.min(i + stride, items.length)
      for (; i < end; i++) if (visit(items[i] as T, i) === false) return
      if (i < items.length && isTurnOver()) await nextTurn()
    }
  }
}
