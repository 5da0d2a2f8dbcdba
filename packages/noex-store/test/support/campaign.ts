/** Whether campaigns run whole: `npm run test:differential`. */
const isWhole = process.env['CAMPAIGN'] === '1'

/**
 * Returns how often a campaign repeats itself: `whole` times in a run of its own, `sample` times among the
 * other tests, ten times that in a thorough run of those, or the share `SAMPLE` of that.
 */
export function repetitions (whole: number, sample: number): number {
  if (isWhole) return whole
  const share = process.env['THOROUGH'] === '1' ? 1 : Number(process.env['SAMPLE'] ?? 0.1)
  return Math.min(whole, Math.ceil(sample * 10 * share))
}
