import type { Work } from './work.js'

/** Items that are sorted in one go. */
const RUN = 512

export type Compare<T> = (a: T, b: T) => number

/**
 * Sorts as `Array.prototype.sort` does, in slices, and returns the new order: items that `compare` takes for
 * equal keep
 * theirs. `compare` must be an order: where it contradicts itself, the outcome is another than that of
 * `sort`.
 */
export async function sortInSlices<T> (
  items: readonly T[], compare: Compare<T>, work: Work
): Promise<readonly T[]> {
  work.take(items.length * Math.ceil(Math.log2(Math.max(2, items.length))))
  let from: T[] = []
  for (let start = 0; start < items.length; start += RUN) {
    for (const item of items.slice(start, start + RUN).sort(compare)) from.push(item)
    await work.pause()
  }
  for (let width = RUN; width < from.length; width *= 2) {
    const to: T[] = []
    for (let start = 0; start < from.length; start += 2 * width) {
      await mergeRuns(from, to, start, width, compare, work)
    }
    from = to
  }
  return from
}

/** Appends the runs of `width` items that begin at `start` and behind it to `to`, as one run. */
async function mergeRuns<T> (
  from: readonly T[], to: T[], start: number, width: number, compare: Compare<T>, work: Work
): Promise<void> {
  const middle = Math.min(start + width, from.length)
  const end = Math.min(start + 2 * width, from.length)
  for (let left = start, right = middle; left < middle || right < end;) {
    const takesLeft = right === end || (left < middle && compare(from[left] as T, from[right] as T) <= 0)
    to.push(from[takesLeft ? left++ : right++] as T)
    if (to.length % RUN === 0) await work.pause()
  }
}

/**
 * Whether `<` orders values like these: all are numbers, or all are texts, or all are booleans. Absent ones
 * do not count.
 */
export class Ordering {
  #type: string | undefined
  #isOrder = true

  add (value: unknown): void {
    if (value == null) return
    const type = typeof value
    this.#type ??= type
    if (type !== this.#type || type === 'object' || type === 'symbol' || Number.isNaN(value)) {
      this.#isOrder = false
    }
  }

  get isOrder (): boolean {
    return this.#isOrder
  }
}
