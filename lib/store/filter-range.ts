import { isValidIsoDate } from '@hamicek/noex-store'

/** A value that an operator compares with. */
export type Bound = number | string

interface Limit {
  readonly bound: Bound
  /** Whether the bound itself lies in the range. */
  readonly isIncluded: boolean
}

/** The range in which a value must lie to fulfil all conditions on one field, as far as they give bounds. */
export class FilterRange {
  readonly #lower: Limit[] = []
  readonly #upper: Limit[] = []

  /**
   * Narrows the range to what the operators leave, and tells whether no value can lie in it any more, as in
   * that of `{ $gt: 5, $lt: 3 }` and `{ $between: [10, 2] }`. Bounds of different types are not compared.
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

/** Tells whether no value lies between two bounds; of dates, neither as texts nor as points in time. */
function isAbove (low: Limit, high: Limit): boolean {
  if (typeof low.bound !== typeof high.bound) return false
  const isOpen = !(low.isIncluded && high.isIncluded)
  const isEmpty = (from: Bound, to: Bound): boolean => from > to || (from === to && isOpen)
  if (!isEmpty(low.bound, high.bound)) return false
  const from = instantOf(low.bound)
  const to = instantOf(high.bound)
  return from === undefined || to === undefined || isEmpty(from, to)
}

/** The time of an ISO 8601 text in epoch milliseconds: in fields of type `date` that is compared. */
function instantOf (bound: Bound): number | undefined {
  return typeof bound === 'string' && isValidIsoDate(bound) ? Date.parse(bound) : undefined
}
