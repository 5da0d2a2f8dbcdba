import { Snapshot, type Visit } from '../bucket/snapshot.js'
import type { Engine } from '../commit/engine.js'
import { findSource, isWalkShorter, rowsInOrder } from './planner.js'
import { requestOrder } from './build-ordered.js'
import type { WorkMeter } from '../types/access.js'
import { selective, visibility, visitSource, type Selection } from './visit.js'
import { STEP, walk } from './walk.js'
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
  // Texts that are searched may be long: they are looked at one by one.
  const isLong = filter?.searchesTexts === true
  if (filter !== undefined && !isLong) {
    const source = findSource(bucket, filter, index => { requestOrder(engine, bucket, index) })
    if (source !== undefined && !isWalkShorter(bucket, source, count)) {
      const all = rowsInOrder(source)
      const rows = place === 0 ? all : all.filter(row => row.place >= place)
      if (isBackward) rows.reverse()
      return visitSource(engine, selection, source, rows, visit, { meter })
    }
  }
  const units = Math.max(1, filter?.work ?? 0)
  let step = isLong ? 1 : FIRST_STEP
  let left = bucket.size
  const isVisible = bucket.hasOverdue ? visibility(bucket) : undefined
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
