/** Counts values in buckets with fixed upper bounds: adding one costs a few comparisons. */
export class Histogram {
  /** Values in each bucket, not cumulative; the last is above all bounds. */
  readonly buckets: Float64Array
  sum = 0
  max = 0
  readonly #bounds: readonly number[]

  /** `bounds`: the upper bounds of the buckets, which rise. */
  constructor (bounds: readonly number[]) {
    this.#bounds = bounds
    this.buckets = new Float64Array(bounds.length + 1)
  }

  /** Adds a value of at least 0. */
  add (value: number): void {
    const bounds = this.#bounds
    this.sum += value
    if (value > this.max) this.max = value
    let bucket = 0
    // Most values are in one of the first buckets.
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    this.buckets[bucket] = (this.buckets[bucket] as number) + 1
  }

  /**
   * Estimates a quantile, linearly within a bucket; 0 where there are no values.
   * @param q from 0 to 1
   */
  quantile (q: number): number {
    const { buckets, max } = this
    const rank = q * buckets.reduce((sum, values) => sum + values, 0)
    let below = 0
    for (const [i, values] of buckets.entries()) {
      if (values > 0 && below + values >= rank) {
        const start = this.#bounds[i - 1] ?? 0
        const end = Math.min(this.#bounds[i] ?? max, max)
        return start + (end - start) * (rank - below) / values
      }
      below += values
    }
    return 0
  }
}
