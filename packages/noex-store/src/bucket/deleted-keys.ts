/** Version and place that the last record of a deleted key had. */
export interface DeletedKey {
  readonly version: number
  readonly place: number
}

/**
 * Remembers the newest deleted keys of a bucket, so that no version of a key is given twice and a cursor goes
 * on from a deleted record. The version of what is forgotten raises a floor above which every new key starts.
 */
export class DeletedKeys {
  readonly #keys = new Map<unknown, DeletedKey>()
  readonly #limit: number
  #floor = 0

  /** `limit` is the number of keys remembered. */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** Highest version among forgotten keys. */
  get floor (): number {
    return this.#floor
  }

  get size (): number {
    return this.#keys.size
  }

  get (key: unknown): DeletedKey | undefined {
    return this.#keys.get(key)
  }

  /** The version that a new record of this key gets. */
  nextVersion (key: unknown): number {
    return (this.#keys.get(key)?.version ?? this.#floor) + 1
  }

  add (key: unknown, deleted: DeletedKey): void {
    // Deleted first, so that the key counts among the newest.
    this.#keys.delete(key)
    this.#keys.set(key, deleted)
    if (this.#keys.size <= this.#limit) return
    const [oldest, { version }] = this.#keys.entries().next().value as [unknown, DeletedKey]
    this.#keys.delete(oldest)
    this.raiseFloor(version)
  }

  /** Forgets a key that has a record again, and returns what was known. */
  take (key: unknown): DeletedKey | undefined {
    const deleted = this.#keys.get(key)
    if (deleted !== undefined) this.#keys.delete(key)
    return deleted
  }

  raiseFloor (version: number): void {
    if (version > this.#floor) this.#floor = version
  }

  entries (): IterableIterator<[unknown, DeletedKey]> {
    return this.#keys.entries()
  }
}
