import { addSample, addTotals, NO_TOTALS, type Totals } from './window-aggregation.js'

interface Sample {
  readonly value: number
}

/**
 * A first-in, first-out queue of samples with their totals. Two stacks, one for incoming and one for outgoing
 * samples, keep running totals: each step takes constant time.
 */
export class SlidingWindow<T extends Sample> {
  readonly #coming: T[] = []
  #comingTotals = NO_TOTALS
  /** Oldest last; the totals are those of the sample and all below it. */
  readonly #going: Array<{ readonly sample: T, readonly totals: Totals }> = []

  get totals (): Totals {
    return addTotals(this.#going.at(-1)?.totals ?? NO_TOTALS, this.#comingTotals)
  }

  get oldest (): T | undefined {
    return this.#going.at(-1)?.sample ?? this.#coming[0]
  }

  push (sample: T): void {
    this.#coming.push(sample)
    this.#comingTotals = addSample(this.#comingTotals, sample.value)
  }

  /** Removes the oldest sample. */
  shift (): void {
    if (this.#going.length === 0) this.#turn()
    this.#going.pop()
  }

  /** Returns the oldest samples, at most `max`. */
  first (max: number): T[] {
    const samples: T[] = []
    for (let index = this.#going.length - 1; index >= 0 && samples.length < max; index--) {
      samples.push(this.#going[index]!.sample)
    }
    return [...samples, ...this.#coming.slice(0, max - samples.length)]
  }

  #turn (): void {
    let totals = NO_TOTALS
    for (let index = this.#coming.length - 1; index >= 0; index--) {
      const sample = this.#coming[index]!
      totals = addSample(totals, sample.value)
      this.#going.push({ sample, totals })
    }
    this.#coming.length = 0
    this.#comingTotals = NO_TOTALS
  }
}
