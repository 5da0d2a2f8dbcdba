import { LruCache } from '../util/lru-cache.js'
import type { PatternMatcher } from './pattern.js'

/** So many texts are remembered together with what they lead to. */
const MAX_CACHED_TEXTS = 1000

const NOTHING: readonly never[] = []

/**
 * Finds what is filed under the patterns that a text matches, in a given order. What has an exact
 * pattern costs nothing for other texts; what has wildcards costs one look per new text.
 */
export class PatternIndex<T> {
  readonly #exact = new Map<string, Set<T>>()
  readonly #wildcards = new Map<T, PatternMatcher[]>()
  readonly #cache = new LruCache<string, readonly T[]>(MAX_CACHED_TEXTS)
  readonly #order: (a: T, b: T) => number

  constructor (order: (a: T, b: T) => number) {
    this.#order = order
  }

  /** Files an item; under several patterns, if it is filed several times. */
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

  /** Takes an item out that was filed under these patterns. */
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

  /** What a text leads to: each item once. Not to be changed. */
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
