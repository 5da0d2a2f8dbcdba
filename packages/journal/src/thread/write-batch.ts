/** Characters after which the next write goes in a message of its own. */
const MAX_MESSAGE = 1_048_576
/** Longest text in a message, in characters: strings have a bound. */
const MAX_TEXT = 33_554_432

/** The entries of the next message to the thread, put together to texts of many lines. */
export class WriteBatch {
  /** Entries that are not put together yet. */
  #part: string[] = []
  #partLength = 0
  #texts: string[] = []
  #count = 0
  #length = 0

  /** Number of entries. */
  get count (): number {
    return this.#count
  }

  /** Whether the next write goes in a message of its own: one is never parted between messages. */
  get isFull (): boolean {
    return this.#length > MAX_MESSAGE
  }

  add (entries: readonly string[]): void {
    for (const entry of entries) {
      if (this.#partLength + entry.length > MAX_TEXT) this.#endPart()
      this.#part.push(entry)
      this.#partLength += entry.length + 1
      this.#length += entry.length + 1
    }
    this.#count += entries.length
  }

  /** Returns the texts and empties the batch. */
  take (): readonly string[] {
    this.#endPart()
    const texts = this.#texts
    this.clear()
    return texts
  }

  clear (): void {
    this.#part = []
    this.#partLength = 0
    this.#texts = []
    this.#count = 0
    this.#length = 0
  }

  #endPart (): void {
    if (this.#part.length > 0) this.#texts.push(this.#part.join('\n'))
    this.#part = []
    this.#partLength = 0
  }
}
