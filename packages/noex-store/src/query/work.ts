import { findSource } from '../filter/planner.js'
import type { WorkMeter } from '../types/access.js'
import type { Selection } from './visit.js'

/**
 * Counts a read of all records that match: those that are looked at, times the conditions of the filter.
 * Throws what the meter throws.
 */
export function takeReading (work: WorkMeter | undefined, { bucket, filter }: Selection): void {
  if (work === undefined) return
  if (filter === undefined) {
    work.take(bucket.size)
    return
  }
  const source = findSource(bucket, filter)
  work.take((source?.size ?? bucket.size) * (source?.isExact === true ? 1 : filter.work + 1))
}
