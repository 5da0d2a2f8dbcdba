/** Sum of the estimated bytes that the views of a store keep. */
export class HeldBytes {
  #total = 0

  get total (): number {
    return this.#total
  }

  /** Counts something that has another size now than before. */
  count (before: number, now: number): void {
    this.#total += now - before
  }
}
