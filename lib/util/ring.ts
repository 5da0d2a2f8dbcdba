/**
 * An item of a ring. Collections of what comes and goes with each request are rings: a `Set` or `Map` that is
 * old leaves a chain of its former tables behind, through which what they held outlives many collections of
 * garbage.
 */
export abstract class RingItem {
  /** The item before this one; itself, or `undefined`, outside of a ring. */
  older: RingItem | undefined
  newer: RingItem | undefined
}

/** Items in the order in which they were added. Adding and deleting take constant time. */
export class Ring<Item extends RingItem> {
  /** Stands before the oldest and behind the newest item. */
  readonly #ends: RingItem

  constructor () {
    this.#ends = new Ends()
    this.#ends.older = this.#ends.newer = this.#ends
  }

  get isEmpty (): boolean {
    return this.#ends.newer === this.#ends
  }

  get oldest (): Item | undefined {
    const { newer } = this.#ends
    return newer === this.#ends ? undefined : newer as Item
  }

  /** Adds an item, which must be in no ring, as the newest. */
  add (item: Item): void {
    const newest = this.#ends.older as RingItem
    item.older = newest
    item.newer = this.#ends
    newest.newer = this.#ends.older = item
  }

  /** Deletes an item; does nothing where it is in no ring. */
  delete (item: Item): void {
    const { older, newer } = item
    if (older === undefined || newer === undefined) return
    older.newer = newer
    newer.older = older
    // What still refers to this one must not hold all that come after it.
    item.older = item.newer = undefined
  }

  /** Iterates over the items, which may be deleted meanwhile. */
  * [Symbol.iterator] (): IterableIterator<Item> {
    for (const item of this.#all()) if (item.newer !== undefined) yield item
  }

  #all (): Item[] {
    const items: Item[] = []
    for (let at = this.#ends.newer; at !== this.#ends; at = at?.newer) items.push(at as Item)
    return items
  }
}

class Ends extends RingItem {}
