/**
 * A set that tells its oldest member in constant time, however many have left it. What has left is
 * never added again.
 */
export class AgeQueue<T extends object> {
  readonly #members = new Set<T>()
  /** Kept, because a new one would walk over the places of all that have left. */
  #ages = this.#members.values()
  #oldest: T | undefined

  get size (): number {
    return this.#members.size
  }

  add (member: T): void {
    this.#members.add(member)
  }

  delete (member: T): boolean {
    return this.#members.delete(member)
  }

  clear (): void {
    this.#members.clear()
    this.#oldest = undefined
  }

  get oldest (): T | undefined {
    if (this.#oldest === undefined || !this.#members.has(this.#oldest)) this.#oldest = this.#next()
    return this.#oldest
  }

  [Symbol.iterator] (): IterableIterator<T> {
    return this.#members.values()
  }

  #next (): T | undefined {
    if (this.#members.size === 0) return undefined
    let next = this.#ages.next()
    if (next.done === true) {
      this.#ages = this.#members.values()
      next = this.#ages.next()
    }
    return next.value
  }
}
