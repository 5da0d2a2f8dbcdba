import type { Bucket } from '../bucket/bucket.js'
import type { Step } from '../commit/plan.js'
import type { FieldIndex } from '../index/field-index.js'
import type { StoreRecord } from '../types/record.js'

/**
 * The writes of a transaction to one bucket: one step for each key, from the record of the store that it
 * started from to the one after. `after` is `undefined` for a delete, and for an insert that was taken back.
 */
export class Overlay {
  readonly bucket: Bucket
  /** Writes that the whole transaction may have. */
  readonly maxChanges: number
  readonly #steps = new Map<unknown, Step>()
  readonly #onStep: (step: Step) => void
  /** Steps by the value that a field has after them; for fields that were asked for. */
  readonly #byField = new Map<FieldIndex, Map<unknown, Set<Step>>>()

  /** `onStep` is called before the first write of each key. */
  constructor (bucket: Bucket, maxChanges: number, onStep: (step: Step) => void) {
    this.bucket = bucket
    this.maxChanges = maxChanges
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
    this.#set(key, before, after, false)
  }

  /** Notes a write that a delete has caused. */
  setCaused (key: unknown, before: StoreRecord, after: StoreRecord | undefined): void {
    this.#set(key, before, after, true)
  }

  #set (
    key: unknown, before: StoreRecord | undefined, after: StoreRecord | undefined, isCaused: boolean
  ): void {
    const known = this.#steps.get(key)
    if (known !== undefined) {
      this.#leave(known)
      known.after = after
      known.isCaused &&= isCaused
      this.#enter(known)
      return
    }
    const row = before === undefined ? undefined : this.bucket.contents.rows.get(key)
    const step: Step = { bucket: this.bucket, key, row, before, after, isCaused }
    this.#onStep(step)
    this.#steps.set(key, step)
    this.#enter(step)
  }

  /** The writes so far after which a field has a value. */
  having (field: FieldIndex, value: unknown): Iterable<Step> {
    let byValue = this.#byField.get(field)
    if (byValue === undefined) {
      this.#byField.set(field, byValue = new Map())
      for (const step of this.#steps.values()) add(byValue, field, step)
    }
    return byValue.get(value) ?? none
  }

  #enter (step: Step): void {
    for (const [field, byValue] of this.#byField) add(byValue, field, step)
  }

  #leave (step: Step): void {
    if (step.after === undefined) return
    for (const [field, byValue] of this.#byField) {
      const value = field.valueOf(step.after)
      const steps = byValue.get(value)
      if (steps?.delete(step) === true && steps.size === 0) byValue.delete(value)
    }
  }

  /** The writes so far, in the order of each key's first one. */
  steps (): Iterable<Step> {
    return this.#steps.values()
  }
}

function add (byValue: Map<unknown, Set<Step>>, field: FieldIndex, step: Step): void {
  if (step.after === undefined) return
  const value = field.valueOf(step.after)
  const steps = byValue.get(value)
  if (steps === undefined) byValue.set(value, new Set([step]))
  else steps.add(step)
}

const none: readonly Step[] = []
