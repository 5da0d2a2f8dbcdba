/** Whether campaigns run whole: `npm run test:differential`. */
const isWhole = process.env['CAMPAIGN'] === '1'

/**
 * Returns how often a campaign repeats itself: `whole` times in a run of its own, `sample` times among the
 * other tests, ten times that in a thorough run of those.
 */
export function repetitions (whole: number, sample: number): number {
  if (isWhole) return whole
  return process.env['THOROUGH'] === '1' ? Math.min(whole, sample * 10) : sample
}
