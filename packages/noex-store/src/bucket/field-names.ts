import type { BucketFields } from '../types/schema.js'

/** Names that a bucket counts; beyond, any name counts as known. */
const MAX_NAMES = 1_000
/** Characters of a name that is counted; a longer one is one of too many. */
const MAX_NAME_CHARS = 256

/** The names of the members that the committed records of a bucket have or had. */
export class FieldNames implements BucketFields {
  readonly #names = new Set<string>()
  /** Members of the last record that was looked at, in order: the next one is likely to have the same. */
  #last: readonly string[] = []
  #isFull = false

  get isFull (): boolean {
    return this.#isFull
  }

  /** Notes the members of a record that is committed. */
  learn (record: object): void {
    if (this.#isFull) return
    const last = this.#last
    let i = 0
    for (const name in record) {
      if (last[i++] === name) continue
      this.#add(record)
      return
    }
    if (i < last.length) this.#last = Object.keys(record)
  }

  /** Takes over what is known of a bucket that this one replaces. */
  follow (former: FieldNames): void {
    if (former.#isFull) this.#fill()
    else for (const name of former.#names) this.#note(name)
  }

  has (name: string): boolean {
    return this.#isFull || this.#names.has(name)
  }

  list (): readonly string[] {
    return [...this.#names]
  }

  #add (record: object): void {
    for (const name in record) this.#note(name)
    if (!this.#isFull) this.#last = Object.keys(record)
  }

  #note (name: string): void {
    if (this.#isFull || this.#names.has(name)) return
    if (name.length > MAX_NAME_CHARS || this.#names.size === MAX_NAMES) this.#fill()
    else this.#names.add(name)
  }

  #fill (): void {
    this.#isFull = true
    this.#names.clear()
    this.#last = []
  }
}
