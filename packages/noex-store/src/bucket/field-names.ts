/** Names that a bucket counts; beyond, any name counts as known. */
const MAX_NAMES = 1_000
/** Longest name for which a near one is looked for. */
const MAX_COMPARED = 64

const METADATA = ['_version', '_createdAt', '_updatedAt', '_expiresAt']

/** The names of the members that the records of a bucket have or had. */
export class FieldNames {
  readonly #names: Set<string>

  constructor (schema: readonly string[]) {
    this.#names = new Set([...schema, ...METADATA])
  }

  add (names: readonly string[]): void {
    for (const name of names) {
      if (this.#names.size >= MAX_NAMES) return
      this.#names.add(name)
    }
  }

  has (name: string): boolean {
    return this.#names.has(name) || this.#names.size >= MAX_NAMES
  }

  list (): string[] {
    return [...this.#names]
  }

  /**
   * The known name with the fewest edits from `name`, `undefined` when more than a third of it differs, or
   * more than two letters of a short one.
   */
  nearest (name: string): string | undefined {
    if (name.length > MAX_COMPARED) return undefined
    let nearest: string | undefined
    let fewest = Math.min(name.length, Math.max(2, Math.floor(name.length / 3)) + 1)
    for (const known of this.#names) {
      if (Math.abs(known.length - name.length) >= fewest) continue
      const edits = distance(name.toLowerCase(), known.toLowerCase())
      if (edits >= fewest) continue
      fewest = edits
      nearest = known
    }
    return nearest
  }
}

/** Counts the letters to insert, delete or replace. */
function distance (from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next[j] = Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1)
    }
    row = next
  }
  return row[to.length] as number
}
