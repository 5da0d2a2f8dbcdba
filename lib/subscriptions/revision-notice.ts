/**
 * The revisions that a client has been told by replies, until its live queries show them. There is one notice
 * for all that are reached together. Where not all are, the others wait for the last of them, so that each is
 * reached in the end, however many come meanwhile.
 */
export class RevisionNotice {
  #lowest = Infinity
  #highest = 0

  /** The revision at which the next notice is due; Infinity where none waits. */
  get dueAt (): number {
    return this.#lowest
  }

  /** Adds a revision, which is not below those before. */
  add (revision: number): void {
    this.#lowest = Math.min(this.#lowest, revision)
    this.#highest = revision
  }

  /**
   * Takes out the revisions up to `shown`. Returns the one that the client is to be told; `undefined` where
   * there is none.
   */
  take (shown: number): number | undefined {
    if (this.#lowest === Infinity || shown < this.#lowest) return undefined
    if (shown < this.#highest) {
      this.#lowest = this.#highest
      return shown
    }
    this.#lowest = Infinity
    return this.#highest
  }
}
