import type { Test } from 'tap'

/** Whether long tests run whole: `THOROUGH=1 npm test`. */
export const isThorough = process.env['THOROUGH'] === '1'

/** The share of its repetitions that a long test makes: `SAMPLE`, a tenth by default, all when thorough. */
const share = isThorough ? 1 : Number(process.env['SAMPLE'] ?? 0.1)

/** Returns how often a long test repeats itself, of `whole` times. */
export function sampled (whole: number): number {
  return Math.ceil(whole * share)
}

const seed = Number(process.env['SAMPLE_SEED'] ?? Date.now() % 2 ** 31)
let state = seed
let isSeedTold = false

/**
 * Returns the rows of a long table that a test runs through, in their order: all in a thorough run, else the
 * share of them, at least one, drawn anew in each run. The output tells the seed, and `SAMPLE_SEED` repeats
 * what was drawn by it.
 */
export function sampleOf<T> (t: Test, table: readonly T[]): readonly T[] {
  if (isThorough) return table
  if (!isSeedTold) t.comment(`SAMPLE_SEED=${seed}`)
  isSeedTold = true
  let wanted = sampled(table.length)
  // Each row is taken with the chance that fills the sample with the rows that are left.
  return table.filter((_, i) => {
    const isTaken = nextRandom() * (table.length - i) < wanted
    if (isTaken) wanted -= 1
    return isTaken
  })
}

/** The next of a sequence of numbers from 0 to below 1 that the seed determines (mulberry32). */
function nextRandom (): number {
  state = (state + 0x6d2b79f5) | 0
  let bits = Math.imul(state ^ (state >>> 15), state | 1)
  bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
  return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
}
