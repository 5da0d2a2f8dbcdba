import { Snapshot, type Visit } from '../bucket/snapshot.js'
import type { Engine } from '../engine.js'
import { findSource, isWalkShorter, rowsInOrder } from '../filter/planner.js'
import { requestOrder } from '../index/build-ordered.js'
import type { StoreRecord } from '../types/record.js'
import type { WorkMeter } from '../types/access.js'
import { selective, STEP, visibility, walk, type Selection } from './visit.js'
import { unitsOfList } from './work.js'

/** Places of the first step of a walk that may end early. */
const FIRST_STEP = 32

/** Which of the records that match are visited. */
export interface Part {
  readonly meter: WorkMeter
  /** Records that are expected to be enough. */
  readonly count: number
  /**
   * The place to begin at.
   * @default 0
   */
  readonly place?: number
  /** From the last record on, in the opposite order. */
  readonly isBackward?: boolean
}

/**
 * Visits records that match, in the order of their insertion, until `visit` ends it: by an index where that
 * finds few, else by a walk, counted as it comes to them. What takes longer goes on in slices.
 * @throws what `meter` throws
 */
export function visitSome (
  engine: Engine, selection: Selection, visit: Visit, { meter, count, place = 0, isBackward = false }: Part
): Promise<void> | undefined {
  const { bucket, filter } = selection
  const isVisible = bucket.hasOverdue ? visibility(engine, bucket) : undefined
  // Texts that are searched may be long: they are looked at one by one, in slices.
  const isLong = filter?.searchesTexts === true
  if (filter !== undefined && !isLong) {
    const source = findSource(bucket, filter, index => { requestOrder(engine, bucket, index) })
    if (source !== undefined && !isWalkShorter(bucket, source, count)) {
      const rows = rowsInOrder(source)
      meter.take(rows.length * (source.isExact ? 1 : Math.max(1, filter.work)))
      if (isBackward) rows.reverse()
      const wanted = selective(source.isExact ? undefined : filter, isVisible, visit, meter)
      for (const row of rows) {
        if (row.place >= place && wanted(row.record as StoreRecord, row) === false) break
      }
      return undefined
    }
  }
  const units = Math.max(1, filter?.work ?? 0)
  let step = isLong ? 1 : FIRST_STEP
  let left = bucket.size
  const snapshot = new Snapshot(bucket.contents, place, isBackward)
  return walk(engine, snapshot, selective(filter, isVisible, visit, meter), () => {
    const records = Math.min(step, left)
    left -= records
    meter.take(filter === undefined ? unitsOfList(records) : records * units)
    const places = step
    if (step > 1) step = Math.min(step * 2, STEP)
    return places
  })
}
