import type { BucketFields } from '../types/schema.js'

/** Names that a bucket counts; beyond, any name counts as known. */
const MAX_NAMES = 1_000
/** Characters of a name that is counted; a longer one is one of too many. */
const MAX_NAME_CHARS = 256

/**
 * The names of the members that the committed records of a bucket have or had. Commits look at their records
 * only while one of them may have a name that is new.
 */
export class FieldNames implements BucketFields {
  readonly #names = new Set<string>()
  /** Names of records that are planned, and of none that is committed. */
  readonly #expected = new Set<string>()
  /** Whether more names are expected than are remembered. */
  #isUnsure = false
  #isFull = false

  get isFull (): boolean {
    return this.#isFull
  }

  /** Notes the members of a record that may be committed. */
  expect (names: readonly string[]): void {
    if (this.#isFull || this.#isUnsure) return
    for (const name of names) {
      if (this.#names.has(name)) continue
      if (name.length > MAX_NAME_CHARS || this.#expected.size === MAX_NAMES) this.#isUnsure = true
      else this.#expected.add(name)
    }
  }

  /** Notes the members of a record that is committed; those that were not expected are known already. */
  learn (record: object): void {
    if (this.#expected.size === 0 && !this.#isUnsure) return
    for (const name in record) this.#note(name)
  }

  /** Takes over what is known of a bucket that this one replaces. */
  follow (former: FieldNames): void {
    if (former.#isFull) this.#fill()
    for (const name of former.#names) this.#note(name)
  }

  has (name: string): boolean {
    return this.#isFull || this.#names.has(name)
  }

  list (): readonly string[] {
    return [...this.#names]
  }

  #note (name: string): void {
    if (this.#isFull || this.#names.has(name)) return
    if (name.length > MAX_NAME_CHARS || this.#names.size === MAX_NAMES) {
      this.#fill()
    } else {
      this.#names.add(name)
      this.#expected.delete(name)
    }
  }

  #fill (): void {
    this.#isFull = true
    this.#isUnsure = false
    this.#names.clear()
    this.#expected.clear()
  }
}
