import type { Bucket } from '../bucket/bucket.js'
import type { CompiledFilter } from '../filter/filter.js'
import type { Normalize } from '../schema/bucket-schema.js'
import { getterOf, type Getter } from '../schema/path.js'
import type { RecordChange } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { ViewConfig } from '../types/view.js'
import { liveAggregate, type LiveAggregate } from './live-aggregate.js'

/** Estimated bytes of a tally without its aggregate. */
const TALLY_BYTES = 2_000

type AggregateConfig = NonNullable<ViewConfig['aggregate']>

/** The aggregate of the records of a bucket that match a filter. */
export class Tally {
  readonly filter: CompiledFilter | undefined
  readonly #config: AggregateConfig
  readonly #normalizeOf: (field: string) => Normalize | undefined
  /** The fields whose values count. */
  readonly #getters: readonly Getter[]
  #aggregate: LiveAggregate
  #hasChanged = false

  constructor (bucket: Bucket, filter: CompiledFilter | undefined, config: AggregateConfig) {
    const { field, groupBy = [] } = config
    this.filter = filter
    this.#config = config
    this.#normalizeOf = bucket.schema.normalizeOf
    this.#getters = [...(field === undefined ? [] : [field]), ...[groupBy].flat()].map(getterOf)
    this.#aggregate = liveAggregate(config, this.#normalizeOf)
  }

  /** Estimated bytes. */
  get bytes (): number {
    return TALLY_BYTES + this.#aggregate.bytes
  }

  /** @throws AggregateOverflowError */
  result (): unknown {
    return this.#aggregate.result()
  }

  /** Takes in a record that matches. */
  add (record: StoreRecord, place: number): void {
    this.#aggregate.add(record, place)
  }

  /**
   * Follows a change of a record.
   * @throws FilterError for a record that cannot be tried; then nothing has changed
   */
  * change ({ before, after, place = 0 }: RecordChange): Generator<undefined, void> {
    const wasIn = this.#matches(before)
    const isIn = this.#matches(after)
    if (wasIn && isIn && this.#isSame(before, after)) return
    if (wasIn) this.#aggregate.remove(before, place)
    if (isIn) this.#aggregate.add(after, place)
    if (wasIn || isIn) this.#hasChanged = true
  }

  clear (): void {
    this.#aggregate = liveAggregate(this.#config, this.#normalizeOf)
  }

  /** Returns whether the result may have changed since the last call. */
  takeChanged (): boolean {
    const hasChanged = this.#hasChanged
    this.#hasChanged = false
    return hasChanged
  }

  #matches (record: StoreRecord | undefined): record is StoreRecord {
    return record !== undefined && (this.filter === undefined || this.filter.test(record))
  }

  #isSame (before: StoreRecord, after: StoreRecord): boolean {
    return this.#getters.every(get => get(before) === get(after))
  }
}
