import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import type { CompiledFilter } from '../filter/filter.js'
import { MIN_ORDERED } from './planner.js'
import { requestOrder } from './build-ordered.js'
import type { FieldIndex } from '../index/field-index.js'
import type { WorkMeter } from '../types/access.js'

/** Records times conditions that a walk along an index looks at besides its result: it is done in one go. */
const MAX_WALK = 2_000

/** Rows that are counted at once. */
const STEP = 32

/** Bounds and counts a walk along an index to some records that match. */
export class IndexWalk {
  readonly #meter: WorkMeter
  readonly #units: number
  readonly #limit: number
  #rows = 0
  #isCut = false

  /** `count` records are looked for. */
  constructor (filter: CompiledFilter | undefined, count: number, meter: WorkMeter) {
    this.#meter = meter
    this.#units = Math.max(1, filter?.work ?? 0)
    this.#limit = Math.floor((MAX_WALK + count) / this.#units)
  }

  /** Whether it was too long. */
  get isCut (): boolean {
    return this.#isCut
  }

  /**
   * Counts a row that is about to be looked at. Returns whether it may be.
   * @throws what the meter throws
   */
  isOn (): boolean {
    if (this.#rows >= this.#limit) {
      this.#isCut = true
      return false
    }
    if (this.#rows % STEP === 0) this.#meter.take(STEP * this.#units)
    this.#rows++
    return true
  }
}

/** The index of a field if its order is there; begins to build it otherwise. */
export function orderedIndex (engine: Engine, bucket: Bucket, field: string): FieldIndex | undefined {
  const index = bucket.contents.byField.get(field)
  if (index !== undefined && bucket.size >= MIN_ORDERED) requestOrder(engine, bucket, index)
  return index?.ordered === undefined ? undefined : index
}
