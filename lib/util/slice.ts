import { slicer } from '@hamicek/noex-store'
import { readTicks } from './clock.js'

/** Small requests between two looks at the clock, which is as dear as a part of one. */
const MAX_UNWATCHED = 32

/** Above this, in milliseconds, requests are not small: then there is a look after each. */
const SMALL_MS = 0.1

/**
 * Work since the last look at the clock in a burst, in small requests; when that was, and how much there may
 * be before the next.
 */
let unwatched = 0
let watchedAt = 0
let allowance = 1

/** Notes work that is as much as so many small requests. */
export function noteWork (requests: number): void {
  unwatched += requests
}

/**
 * Asks `isTurnOver` in a burst of requests, after each of them: of small ones, many pass between two looks at
 * the clock.
 */
export function isBurstOver (): boolean {
  if (++unwatched < allowance && !slicer.isLookDue) return false
  const before = watchedAt
  watchedAt = readTicks()
  allowance = (watchedAt - before) / unwatched < SMALL_MS ? Math.min(2 * allowance, MAX_UNWATCHED) : 1
  unwatched = 0
  return slicer.isSpentAt(watchedAt)
}

/**
 * Returns whether long work, that of the stores included, has had its part of this turn of the event loop:
 * then each part of it waits for `nextTurn`. Costs about as much as looking at a record, so a loop asks once
 * in a while.
 */
export function isTurnOver (): boolean {
  return slicer.isSpent
}

/** Resolves in a later turn of the event loop, when what has arrived meanwhile has been read. */
export async function nextTurn (): Promise<void> {
  await slicer.nextTurn()
}
