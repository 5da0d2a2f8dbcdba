import type { FactReader } from '../expressions/scope.js'
import type { Fact } from '../fact.js'
import type { PatternMatcher } from '../patterns/pattern.js'
import type { CompleteClock } from '../util/clock.js'
import { deepEqual } from '../util/deep-equal.js'
import { assertName } from '../util/names.js'
import { KeyedStore } from './keyed-store.js'

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
export class FactStore extends KeyedStore<Fact> implements FactReader {
  constructor (max: number, clock: CompleteClock) {
    super('maxFacts', max, clock)
  }

  /**
   * Sets a fact. Throws `LimitError` for a new key when `maxFacts` is reached, and `TypeError` for a bad key.
   */
  set (key: string, value: unknown, source: Fact['source']): FactChange {
    assertName(key, 'The key of a fact')
    const previous = this.values.get(key)
    if (previous === undefined) this.assertRoom()
    const fact = Object.freeze({
      key,
      value,
      timestamp: this.clock.now(),
      source,
      version: (previous?.version ?? 0) + 1
    })
    this.values.set(key, fact)
    return { fact, previous }
  }

  * matching ({ exact, matches }: PatternMatcher): Iterable<Fact> {
    if (exact !== undefined) {
      const fact = this.values.get(exact)
      if (fact !== undefined) yield fact
      return
    }
    for (const [key, fact] of this.values) if (matches(key)) yield fact
  }
}

/** Returns whether a fact got a value that it did not have. */
export function isChange ({ fact, previous }: FactChange): boolean {
  return previous === undefined || !deepEqual(previous.value, fact.value)
}
