import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import type { Engine } from '../commit/engine.js'
import { select, visitMatches, type Selection } from '../query/visit.js'
import type { WorkMeter } from '../types/access.js'
import type { WhereFilter } from '../types/filter.js'

/**
 * The rows of a bucket that match a filter, for a writer who looks for them and plans in slices, while others
 * write: it tells which rows they have changed.
 */
export class MatchingRows {
  readonly rows: Row[] = []
  readonly #engine: Engine
  readonly #selection: Selection
  readonly #end: () => void
  #position: number

  /**
   * Begins to note what others write; `end` must be called.
   * @throws FilterError
   */
  constructor (engine: Engine, bucket: Bucket, filter: WhereFilter | undefined) {
    this.#engine = engine
    this.#selection = select(bucket, filter)
    this.#position = engine.history.position
    this.#end = engine.history.begin()
  }

  /**
   * Looks for the rows; `undefined` when that is done at once.
   * @throws WorkBudgetError, or what the meter throws
   */
  find (work: WorkMeter | undefined): Promise<void> | undefined {
    return visitMatches(this.#engine, this.#selection, (_record, row) => {
      this.rows.push(row)
      return undefined
    }, work && { meter: work })
  }

  /** Looks for the rows in one step. */
  findNow (): void {
    for (const row of this.#selection.bucket.contents.sequence.from(0)) {
      if (this.matches(row)) this.rows.push(row)
    }
  }

  /** Tells whether the record of a row matches at the moment. */
  matches ({ record }: Row): boolean {
    return record !== undefined && this.#selection.filter?.test(record) !== false
  }

  /**
   * Returns the rows that others have changed since the last call, or since the beginning; `undefined` when
   * that is not known, or the bucket is another one now: then all must be looked for anew.
   */
  changed (): ReadonlySet<Row> | undefined {
    const { bucket } = this.#selection
    if (this.#engine.buckets.get(bucket.name) !== bucket) return undefined
    const changes = this.#engine.history.since(this.#position, bucket.name)
    this.#position = this.#engine.history.position
    const rows = new Set<Row>()
    for (const change of changes ?? []) {
      if (!('key' in change)) return undefined
      const row = bucket.row(change.key)
      if (row !== undefined) rows.add(row)
    }
    return changes === undefined ? undefined : rows
  }

  /** Ends the noting of what others write. */
  end (): void {
    this.#end()
  }
}
