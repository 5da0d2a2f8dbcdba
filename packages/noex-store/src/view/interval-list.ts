import type { Scalar } from '../index/ordered-index.js'

/** Intervals above which a chunk is split in two. */
const MAX_CHUNK = 64

/** An item that concerns the values between two bounds; an absent one is open. */
export interface Interval<T> {
  readonly lower: Scalar | undefined
  readonly upper: Scalar | undefined
  readonly item: T
  /** Orders those with the same lower bound. */
  readonly number: number
}

/** Intervals in the order of their lower bounds. */
interface Chunk<T> {
  readonly intervals: Array<Interval<T>>
  /** The greatest upper bound, `undefined` where one is open. */
  reach: Scalar | undefined
}

/**
 * Intervals of values of one type, found by a value that lies in them: chunks that end before the value are
 * passed over as a whole.
 */
export class IntervalList<T> {
  #chunks: Array<Chunk<T>> = []
  #size = 0

  get size (): number {
    return this.#size
  }

  add (interval: Interval<T>): void {
    this.#size++
    const at = Math.max(0, this.#chunkAfter(interval) - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push(chunkOf([interval]))
      return
    }
    const { intervals } = chunk
    intervals.splice(slotFor(intervals, interval), 0, interval)
    if (intervals.length > MAX_CHUNK) {
      const half = intervals.length >>> 1
      this.#chunks.splice(at, 1, chunkOf(intervals.slice(0, half)), chunkOf(intervals.slice(half)))
    } else {
      chunk.reach = farther(chunk.reach, interval.upper)
    }
  }

  /** Removes an interval that is in the list. */
  remove (interval: Interval<T>): void {
    const at = this.#chunkAfter(interval) - 1
    const { intervals } = this.#chunks[at] as Chunk<T>
    intervals.splice(slotFor(intervals, interval), 1)
    this.#size--
    if (intervals.length === 0) this.#chunks.splice(at, 1)
    else this.#chunks[at] = chunkOf(intervals)
  }

  /** Visits the items whose intervals hold a value, excluded bounds included. */
  visit (value: Scalar, visit: (item: T) => void): void {
    for (const { intervals, reach } of this.#chunks) {
      if (isAbove((intervals[0] as Interval<T>).lower, value)) return
      if (reach !== undefined && reach < value) continue
      for (const { lower, upper, item } of intervals) {
        if (isAbove(lower, value)) return
        if (upper === undefined || upper >= value) visit(item)
      }
    }
  }

  visitAll (visit: (item: T) => void): void {
    for (const { intervals } of this.#chunks) for (const { item } of intervals) visit(item)
  }

  /** Index of the first chunk that begins after an interval. */
  #chunkAfter (interval: Interval<T>): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { intervals } = this.#chunks[middle] as Chunk<T>
      if (compare(intervals[0] as Interval<T>, interval) <= 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function isAbove (bound: Scalar | undefined, value: Scalar): boolean {
  return bound !== undefined && bound > value
}

function farther (a: Scalar | undefined, b: Scalar | undefined): Scalar | undefined {
  return a === undefined || b === undefined ? undefined : a > b ? a : b
}

function chunkOf<T> (intervals: Array<Interval<T>>): Chunk<T> {
  let reach = (intervals[0] as Interval<T>).upper
  for (const { upper } of intervals) reach = farther(reach, upper)
  return { intervals, reach }
}

function slotFor<T> (intervals: ReadonlyArray<Interval<T>>, interval: Interval<T>): number {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(intervals[middle] as Interval<T>, interval) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Orders intervals by their lower bounds, open ones first. */
function compare<T> (a: Interval<T>, b: Interval<T>): number {
  if (a.lower === b.lower) return a.number - b.number
  if (a.lower === undefined) return -1
  if (b.lower === undefined) return 1
  return a.lower < b.lower ? -1 : 1
}
