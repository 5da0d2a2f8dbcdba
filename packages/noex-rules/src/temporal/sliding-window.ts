import { addSample, addTotals, NO_TOTALS, type Totals } from './window-aggregation.js'

interface Sample {
  readonly value: number
}

/**
 * Samples, first in, first out, with their totals at hand. Two stacks, one for what comes and one for
 * what goes, each with the totals of what lies below: a step costs the same however many there are.
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

  /** Takes the oldest sample out. */
  shift (): void {
    if (this.#going.length === 0) this.#turn()
    this.#going.pop()
  }

  /** The oldest samples, at most so many. */
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
