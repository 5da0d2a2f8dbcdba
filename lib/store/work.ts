import { NoexServerError } from '../protocol/errors.js'
import { isTurnOver, nextTurn, noteWork } from '../util/slice.js'

/** Units of work between two reads of the clock: a few microseconds. */
const UNITS_UNWATCHED = 256

/**
 * Counts the work of one request in units: one is the evaluation of a condition for a record. Work is counted
 * before it is done, and refused beyond the budget. PROTOCOL.md, "Work".
 */
export class Work {
  readonly #budget: number
  #spent = 0
  #forgiven = 0

  /** `budget`: limit of units; `Infinity` for the server's own work. */
  constructor (budget: number) {
    this.#budget = budget
  }

  /** Number of units so far. */
  get spent (): number {
    return this.#spent
  }

  /**
   * Counts work before it is done.
   * @throws `VALIDATION_ERROR` with `{ workBudget }` when it would exceed the budget
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

  /** Counts work that has been done within another limit. */
  add (units: number): void {
    this.#spent += units
  }

  /** Excludes units from the budget: the work has to be done again. */
  forgive (units: number): void {
    this.#forgiven += units
  }

  /** Yields to other requests when this turn of the event loop has lasted long enough. */
  async pause (): Promise<void> {
    if (isTurnOver()) await nextTurn()
  }

  /**
   * Calls `visit` with each item until it returns `false`, and yields to other requests in between. An item
   * takes `units`, which the caller has counted. `items` must not change meanwhile.
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
