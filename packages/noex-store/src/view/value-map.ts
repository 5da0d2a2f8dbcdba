/** Items by a value that several may have: the item itself where it is the only one, else a set. */
export class ValueMap<T extends object> {
  readonly #items = new Map<unknown, T | Set<T>>()

  add (value: unknown, item: T): void {
    const known = this.#items.get(value)
    if (known === undefined) this.#items.set(value, item)
    else if (known instanceof Set) known.add(item)
    else if (known !== item) this.#items.set(value, new Set([known, item]))
  }

  remove (value: unknown, item: T): void {
    const known = this.#items.get(value)
    if (known === item) {
      this.#items.delete(value)
    } else if (known instanceof Set && known.delete(item) && known.size === 1) {
      this.#items.set(value, known.values().next().value as T)
    }
  }

  /** Number of items with a value. */
  count (value: unknown): number {
    const known = this.#items.get(value)
    return known === undefined ? 0 : known instanceof Set ? known.size : 1
  }

  visit (value: unknown, visit: (item: T) => void): void {
    const known = this.#items.get(value)
    if (known === undefined) return
    if (known instanceof Set) for (const item of known) visit(item)
    else visit(known)
  }

  /** Number of different values. */
  get size (): number {
    return this.#items.size
  }
}
