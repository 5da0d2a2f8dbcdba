/** The middle one of some numbers, or the mean of the two in the middle. */
export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

/** The time that half of the operations, and all but one in a hundred, took no longer than. */
export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Sums up the milliseconds that operations took, as the clients saw them. */
export function latencyOf (parts: ReadonlyArray<ArrayLike<number>>): Latency {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  all.sort()
  const at = (share: number): number => all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}
