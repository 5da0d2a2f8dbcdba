import type { Bucket } from '../bucket/bucket.js'
import type { Step } from '../commit/plan.js'
import type { StoreRecord } from '../types/record.js'

/**
 * The writes of a transaction to one bucket: one step for each key, from the record of the store that it
 * started from to the one after. `after` is `undefined` for a delete, and for an insert that was taken back.
 */
export class Overlay {
  readonly bucket: Bucket
  readonly #steps = new Map<unknown, Step>()
  readonly #onStep: (step: Step) => void

  /** `onStep` is called before the first write of each key. */
  constructor (bucket: Bucket, onStep: (step: Step) => void) {
    this.bucket = bucket
    this.#onStep = onStep
  }

  /** Number of keys that are written. */
  get size (): number {
    return this.#steps.size
  }

  get (key: unknown): Step | undefined {
    return this.#steps.get(key)
  }

  has (key: unknown): boolean {
    return this.#steps.has(key)
  }

  /** Notes a write; `before` is the record of the store, and counts at the first write of a key only. */
  set (key: unknown, before: StoreRecord | undefined, after: StoreRecord | undefined): void {
    const known = this.#steps.get(key)
    if (known !== undefined) {
      known.after = after
      return
    }
    const row = before === undefined ? undefined : this.bucket.contents.rows.get(key)
    const step: Step = { bucket: this.bucket, key, row, before, after }
    this.#onStep(step)
    this.#steps.set(key, step)
  }

  /** The writes so far, in the order of each key's first one. */
  steps (): Iterable<Step> {
    return this.#steps.values()
  }
}
