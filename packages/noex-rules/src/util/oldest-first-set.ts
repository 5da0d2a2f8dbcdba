/**
 * A set that tells its oldest member in constant time, however many have left it. What has left is
 * never added again.
 */
export class OldestFirstSet<T extends object> {
  readonly #members = new Set<T>()
  /** Kept, because a new one would walk over the places of all that have left. It goes on only when there is a next one, and so never ends. */
  readonly #ages = this.#members.values()
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

  get oldest (): T | undefined {
    if (this.#oldest === undefined || !this.#members.has(this.#oldest)) {
      this.#oldest = this.#members.size === 0 ? undefined : this.#ages.next().value
    }
    return this.#oldest
  }

  [Symbol.iterator] (): IterableIterator<T> {
    return this.#members.values()
  }
}
