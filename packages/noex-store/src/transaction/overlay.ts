import type { Bucket } from '../bucket/bucket.js'
import type { StoreRecord } from '../types/record.js'

/** The write of one key: the record of the store that the transaction started from, and the one after. */
export interface Written {
  readonly before: StoreRecord | undefined
  /** `undefined` for a delete, and for an insert that was taken back. */
  readonly after: StoreRecord | undefined
}

/** The writes of a transaction to one bucket. */
export class Overlay {
  readonly bucket: Bucket
  readonly #written = new Map<unknown, Written>()
  readonly #onKey: (key: unknown) => void

  /** `onKey` is called before the first write of each key. */
  constructor (bucket: Bucket, onKey: (key: unknown) => void) {
    this.bucket = bucket
    this.#onKey = onKey
  }

  get (key: unknown): Written | undefined {
    return this.#written.get(key)
  }

  has (key: unknown): boolean {
    return this.#written.has(key)
  }

  set (key: unknown, before: StoreRecord | undefined, after: StoreRecord | undefined): void {
    if (!this.#written.has(key)) this.#onKey(key)
    this.#written.set(key, { before, after })
  }

  /** The writes so far, in the order of each key's first one. */
  entries (): Array<readonly [unknown, Written]> {
    return [...this.#written]
  }
}
