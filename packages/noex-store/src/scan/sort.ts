import type { Slicer } from './slicer.js'

/** Items sorted without a pause. */
const RUN = 2_048

/**
 * Sorts a list; equal items keep their order. A long one is sorted in slices. `weight`: how much longer than
 * small values those of one item take to compare, 1 or more.
 */
export async function sortInSlices<T> (
  items: readonly T[], compare: (a: T, b: T) => number, slicer: Slicer, weight = 1
): Promise<T[]> {
  const run = Math.max(1, Math.floor(RUN / weight))
  if (items.length <= run) return [...items].sort(compare)
  let runs: T[][] = []
  for (let i = 0; i < items.length; i += run) {
    runs.push(items.slice(i, i + run).sort(compare))
    if (slicer.isSpent) await slicer.nextTurn()
  }
  while (runs.length > 1) {
    const merged: T[][] = []
    for (let i = 0; i < runs.length; i += 2) {
      const other = runs[i + 1]
      const one = runs[i] as T[]
      merged.push(other === undefined ? one : await merge(one, other, compare, slicer, run))
    }
    runs = merged
  }
  return runs[0] as T[]
}

async function merge<T> (
  a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number, slicer: Slicer, run: number
): Promise<T[]> {
  const merged: T[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && compare(a[i] as T, b[j] as T) <= 0)) merged.push(a[i++] as T)
    else merged.push(b[j++] as T)
    if (merged.length % run === 0 && slicer.isSpent) await slicer.nextTurn()
  }
  return merged
}
