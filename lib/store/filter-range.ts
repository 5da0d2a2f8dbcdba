import { instantOf } from '@hamicek/noex-store'

/** The operand of a comparison. */
export type Bound = number | string

interface Limit {
  readonly bound: Bound
  /** Whether the bound itself lies in the range. */
  readonly isIncluded: boolean
}

/** The range of values of one field that fulfil all comparisons with it. */
export class FilterRange {
  readonly #lower: Limit[] = []
  readonly #upper: Limit[] = []

  /**
   * Narrows the range by the operators. Returns whether it is empty then, as for `{ $gt: 5, $lt: 3 }` and
   * `{ $between: [10, 2] }`. Bounds of different types are not compared.
   */
  narrow (
    operators: Readonly<Record<string, unknown>>,
    isBound: (value: unknown) => value is Bound
  ): boolean {
    const add = (to: Limit[], bound: unknown, isIncluded: boolean): void => {
      if (isBound(bound)) to.push({ bound, isIncluded })
    }
    const { $eq, $gt, $gte, $lt, $lte, $between } = operators
    add(this.#lower, $gt, false)
    add(this.#lower, $gte, true)
    add(this.#upper, $lt, false)
    add(this.#upper, $lte, true)
    for (const ends of [this.#lower, this.#upper]) add(ends, $eq, true)
    if (Array.isArray($between)) {
      add(this.#lower, $between[0], true)
      add(this.#upper, $between[1], true)
    }
    return this.#lower.some(low => this.#upper.some(high => isAbove(low, high)))
  }
}

/** Returns whether no value lies between two bounds; for dates, neither as texts nor as points in time. */
function isAbove (low: Limit, high: Limit): boolean {
  if (typeof low.bound !== typeof high.bound) return false
  const isOpen = !(low.isIncluded && high.isIncluded)
  const isEmpty = (from: Bound, to: Bound): boolean => from > to || (from === to && isOpen)
  if (!isEmpty(low.bound, high.bound)) return false
  const from = timeOf(low.bound)
  const to = timeOf(high.bound)
  return from === undefined || to === undefined || isEmpty(from, to)
}

/**
 * Returns the time of an ISO 8601 text in epoch milliseconds, by which fields of type `date` are compared.
 */
function timeOf (bound: Bound): number | undefined {
  const time = instantOf(bound)
  return typeof bound === 'string' && typeof time === 'number' ? time : undefined
}
