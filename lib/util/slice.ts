import { slicer } from '@hamicek/noex-store'
import { readTicks } from './clock.js'

/** Number of small requests between two reads of the clock, which take as long as part of a request. */
const MAX_UNWATCHED = 32

/** Duration of a small request, in milliseconds: after a longer one, the clock is read each time. */
const SMALL_MS = 0.1

/**
 * Work since the last read of the clock in small requests, the time of that read, and the work until the
 * next.
 */
let unwatched = 0
let watchedAt = 0
let allowance = 1

/** Adds work, in small requests. */
export function noteWork (requests: number): void {
  unwatched += requests
}

/**
 * Answers like `isTurnOver`, after each request of a burst, and reads the clock only after many small ones.
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
 * Returns whether long work, including that of the stores, has used its share of this turn of the event loop
 * and must wait for `nextTurn`. Takes about as long as reading a record, so loops call it now and then.
 */
export function isTurnOver (): boolean {
  return slicer.isSpent
}

/** Returns whether long work waits for its next turn. */
export function isWorkWaiting (): boolean {
  return slicer.isWaitedFor
}

/** Resolves in a later turn of the event loop, after data that has arrived meanwhile has been read. */
export async function nextTurn (): Promise<void> {
  await slicer.nextTurn()
}
