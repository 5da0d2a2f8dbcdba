/** Whether long tests run whole, as continuous integration has it: `THOROUGH=1 npm test`. */
export const isThorough = process.env['THOROUGH'] === '1'

/** Returns how often a long test repeats itself: `whole` times in a thorough run, else a tenth of that. */
export function sampled (whole: number): number {
  return isThorough ? whole : Math.ceil(whole / 10)
}
