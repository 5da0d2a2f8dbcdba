import { LimitError } from '../errors.js'
import type { FactReader } from '../expressions/scope.js'
import type { Fact } from '../fact.js'
import type { PatternMatcher } from '../patterns/pattern.js'
import type { CompleteClock } from '../util/clock.js'
import { deepEqual } from '../util/deep-equal.js'
import { assertName } from '../util/names.js'

/** The change of a fact. */
export interface FactChange {
  readonly fact: Fact
  /** The fact that it replaced. */
  readonly previous: Fact | undefined
}

/**
 * The facts of an engine. A fact is frozen, and replaced each time it is set; its value is kept as it was
 * given.
 */
export class FactStore implements FactReader {
  readonly #facts = new Map<string, Fact>()
  readonly #max: number
  readonly #clock: CompleteClock

  constructor (max: number, clock: CompleteClock) {
    this.#max = max
    this.#clock = clock
  }

  get size (): number {
    return this.#facts.size
  }

  /**
   * Sets a fact. Throws `LimitError` for a new key when `maxFacts` is reached, and `TypeError` for a bad key.
   */
  set (key: string, value: unknown, source: Fact['source']): FactChange {
    assertName(key, 'The key of a fact')
    const previous = this.#facts.get(key)
    if (previous === undefined && this.#facts.size >= this.#max) throw new LimitError('maxFacts', this.#max)
    const fact = Object.freeze({
      key,
      value,
      timestamp: this.#clock.now(),
      source,
      version: (previous?.version ?? 0) + 1
    })
    this.#facts.set(key, fact)
    return { fact, previous }
  }

  get (key: string): Fact | undefined {
    return this.#facts.get(key)
  }

  /** Returns false when there was none. */
  delete (key: string): boolean {
    return this.#facts.delete(key)
  }

  * matching ({ exact, matches }: PatternMatcher): Iterable<Fact> {
    if (exact !== undefined) {
      const fact = this.#facts.get(exact)
      if (fact !== undefined) yield fact
      return
    }
    for (const [key, fact] of this.#facts) if (matches(key)) yield fact
  }

  all (): Fact[] {
    return [...this.#facts.values()]
  }
}

/** Returns whether a fact got a value that it did not have. */
export function isChange ({ fact, previous }: FactChange): boolean {
  return previous === undefined || !deepEqual(previous.value, fact.value)
}
