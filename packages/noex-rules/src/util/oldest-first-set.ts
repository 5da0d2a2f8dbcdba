/** A set that returns its oldest member in constant time. A member that has left is never added again. */
export class OldestFirstSet<T extends object> {
  readonly #members = new Set<T>()
  /**
   * One iterator for all calls: a new one would pass the slots of all members that have left. It advances
   * only when there is a next member, and so never ends.
   */
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
