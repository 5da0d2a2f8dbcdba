import { LruCache } from '../util/lru-cache.js'
import type { PatternMatcher } from './pattern.js'

/** The number of texts whose results are cached. */
const MAX_CACHED_TEXTS = 1000

const NOTHING: readonly never[] = []

/**
 * Finds the items whose patterns match a text, in a given order. An item with an exact pattern costs nothing
 * for other texts; one with wildcards costs one match per new text.
 */
export class PatternIndex<T> {
  readonly #exact = new Map<string, Set<T>>()
  readonly #wildcards = new Map<T, PatternMatcher[]>()
  readonly #cache = new LruCache<string, readonly T[]>(MAX_CACHED_TEXTS)
  readonly #order: (a: T, b: T) => number

  constructor (order: (a: T, b: T) => number) {
    this.#order = order
  }

  /** Adds an item under a pattern. An item may be added under several patterns. */
  add (pattern: PatternMatcher, item: T): void {
    if (pattern.exact !== undefined) {
      const items = this.#exact.get(pattern.exact)
      if (items === undefined) this.#exact.set(pattern.exact, new Set([item]))
      else items.add(item)
    } else {
      const patterns = this.#wildcards.get(item)
      if (patterns === undefined) this.#wildcards.set(item, [pattern])
      else patterns.push(pattern)
    }
    this.#cache.clear()
  }

  /** Removes an item that was added under these patterns. */
  delete (patterns: readonly PatternMatcher[], item: T): void {
    this.#wildcards.delete(item)
    for (const { exact } of patterns) {
      if (exact === undefined) continue
      const items = this.#exact.get(exact)
      if (items?.delete(item) === true && items.size === 0) this.#exact.delete(exact)
    }
    this.#cache.clear()
  }

  clear (): void {
    this.#exact.clear()
    this.#wildcards.clear()
    this.#cache.clear()
  }

  /** Returns the items of a text, each once. The caller must not change the array. */
  find (text: string): readonly T[] {
    if (this.#wildcards.size === 0 && !this.#exact.has(text)) return NOTHING
    const cached = this.#cache.get(text)
    if (cached !== undefined) return cached
    const found = new Set(this.#exact.get(text))
    for (const [item, patterns] of this.#wildcards) {
      if (patterns.some(pattern => pattern.matches(text))) found.add(item)
    }
    const items = found.size === 0 ? NOTHING : [...found].sort(this.#order)
    this.#cache.set(text, items)
    return items
  }
}
