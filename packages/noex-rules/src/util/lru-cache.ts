/** A map of bounded size that removes the least recently used entry. */
export class LruCache<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #max: number
  /** The key that was used last; it need not be moved when it is used again. */
  #newest: K | undefined

  constructor (max: number) {
    this.#max = max
  }

  get (key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined && key !== this.#newest) this.#renew(key, value)
    return value
  }

  set (key: K, value: V): void {
    this.#renew(key, value)
    if (this.#entries.size <= this.#max) return
    const [oldest] = this.#entries.keys()
    this.#entries.delete(oldest as K)
  }

  get size (): number {
    return this.#entries.size
  }

  /** Returns false when there was none. */
  delete (key: K): boolean {
    if (this.#newest === key) this.#newest = undefined
    return this.#entries.delete(key)
  }

  clear (): void {
    this.#entries.clear()
    this.#newest = undefined
  }

  #renew (key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    this.#newest = key
  }
}
