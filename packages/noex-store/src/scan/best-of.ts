/** Items sorted at once at least. */
const MIN_RUN = 64

/**
 * Keeps the first of many items in an order, or the last ones, without sorting them all: O(log limit) for
 * each, and one comparison for most. Equal items are in the order in which they came.
 */
export class BestOf<T> {
  readonly #limit: number
  readonly #compare: (a: T, b: T) => number
  readonly #isLast: boolean
  readonly #run: number
  #items: T[] = []
  /** The item that a further one must come before, or not before for the last ones. */
  #edge: T | undefined

  /** Keeps the first `limit` items, or the last ones for `isLast`. */
  constructor (limit: number, compare: (a: T, b: T) => number, isLast = false) {
    this.#limit = limit
    this.#compare = compare
    this.#isLast = isLast
    this.#run = Math.max(MIN_RUN, limit)
  }

  add (item: T): void {
    if (this.#edge !== undefined) {
      const order = this.#compare(item, this.#edge)
      if (this.#isLast ? order < 0 : order >= 0) return
    }
    if (this.#items.push(item) >= this.#limit + this.#run) this.#cut()
  }

  /** Returns the items that were kept, in order. */
  items (): T[] {
    this.#cut()
    return this.#items
  }

  #cut (): void {
    this.#items.sort(this.#compare)
    if (this.#items.length < this.#limit) return
    this.#items = this.#isLast
      ? this.#items.slice(this.#items.length - this.#limit)
      : this.#items.slice(0, this.#limit)
    this.#edge = this.#isLast ? this.#items[0] : this.#items[this.#limit - 1]
  }
}
