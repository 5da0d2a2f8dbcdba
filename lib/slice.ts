import { readTicks, runInMicrotask, runInNextTick, runInNextTurn } from './clock.js'

/** How long work may go on in one turn of the event loop, in milliseconds. */
const SLICE_MS = 5

/** Small requests between two looks at the clock, which is as dear as a part of one. */
const MAX_UNWATCHED = 32

/** Above this, in milliseconds, requests are not small: then there is a look after each. */
const SMALL_MS = 0.1

const waiting: Array<() => void> = []

/** When long work was first seen in this turn; `undefined` until then. */
let startedAt: number | undefined

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
  if (++unwatched < allowance) return false
  const before = watchedAt
  watchedAt = readTicks()
  allowance = (watchedAt - before) / unwatched < SMALL_MS ? Math.min(2 * allowance, MAX_UNWATCHED) : 1
  unwatched = 0
  return isOver(watchedAt)
}

function endTurn (): void {
  startedAt = undefined
}

/**
 * Whether those whose work takes long have had their part of this turn, all together: then each of them shall
 * wait for `nextTurn`.
 * Costs about as much as looking at a record, so a loop asks once in a while.
 */
export function isTurnOver (): boolean {
  return isOver(readTicks())
}

function isOver (now: number): boolean {
  if (startedAt !== undefined) return now - startedAt >= SLICE_MS
  startedAt = now
  runInNextTurn(endTurn)
  return false
}

/**
 * Resolves in a later turn of the event loop, when what has arrived meanwhile has been read. Those who wait
 * go on one after the other,
 * first come first served, and no more of them in one turn than there is time for.
 */
export async function nextTurn (): Promise<void> {
  await new Promise<void>(resolve => { if (waiting.push(resolve) === 1) runInNextTurn(wake) })
}

/** Gives a new turn to the first of those who wait. */
function wake (): void {
  startedAt = readTicks()
  wakeOne()
}

function wakeOne (): void {
  const resolve = waiting[0] as () => void
  resolve()
  // A tick begins when no promise is left that can go on: then this one has come to its next pause, or is
  // done.
  runInMicrotask(() => { runInNextTick(wakeNext) })
}

function wakeNext (): void {
  waiting.shift()
  if (waiting.length === 0) return
  if (isTurnOver()) runInNextTurn(wake)
  else wakeOne()
}
