import { LimitError } from '../errors.js'
import type { CompleteClock } from '../util/clock.js'

/** Values by key: at most as many as the option `limit` of the engine allows. */
export abstract class KeyedStore<T> {
  protected readonly values = new Map<string, T>()
  protected readonly clock: CompleteClock
  readonly #limit: string
  readonly #max: number

  constructor (limit: string, max: number, clock: CompleteClock) {
    this.clock = clock
    this.#limit = limit
    this.#max = max
  }

  get size (): number {
    return this.values.size
  }

  get (key: string): T | undefined {
    return this.values.get(key)
  }

  /** Returns the values in the order in which their keys were first set. */
  all (): T[] {
    return [...this.values.values()]
  }

  /** Returns false when there was none. */
  delete (key: string): boolean {
    return this.values.delete(key)
  }

  /** Throws `LimitError` when there is no room for one more. */
  protected assertRoom (): void {
    if (this.values.size >= this.#max) throw new LimitError(this.#limit, this.#max)
  }
}
