/** A sequence of random numbers that its seed determines (mulberry32). */
export class Random {
  #state: number

  /** `name` makes sequences of one seed independent of each other. */
  constructor (seed: number, name = '') {
    this.#state = seed | 0
    for (const char of name) this.#state = Math.imul(this.#state ^ char.charCodeAt(0), 0x9e3779b1)
    for (let i = 0; i < 3; i++) this.next()
  }

  /** Returns a number from 0 to below 1. */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }

  /** Returns an integer from 0 to below `end`. */
  below (end: number): number {
    return Math.floor(this.next() * end)
  }

  chance (probability: number): boolean {
    return this.next() < probability
  }

  pick<T> (items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** Picks by weights. */
  weighted<T> (items: ReadonlyArray<readonly [weight: number, item: T]>): T {
    let at = this.next() * items.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, item] of items) {
      at -= weight
      if (at < 0) return item
    }
    return (items.at(-1) as readonly [number, T])[1]
  }

  bytes (count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let i = 0; i < count; i++) bytes[i] = this.below(256)
    return bytes
  }
}
