/** Sum of the estimated bytes that the views of a store keep. */
export class HeldBytes {
  #total = 0

  get total (): number {
    return this.#total
  }

  /** Begins to count something that holds nothing yet. */
  begin (): HeldPart {
    let held = 0
    return {
      set: bytes => {
        this.#total += bytes - held
        held = bytes
      }
    }
  }
}

/** Something whose bytes are counted. */
export interface HeldPart {
  /** Tells how many it holds now. */
  readonly set: (bytes: number) => void
}
