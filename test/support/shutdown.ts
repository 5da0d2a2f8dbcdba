/** What a shutdown may take beyond its grace period, whatever clients do. */
export const ALLOWANCE_MS = 2_000

export const shutDown = { code: 1000, reason: 'server_shutdown' }

/** Resolves with the time that `work` took, in milliseconds. */
export async function timed (work: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work
  return performance.now() - started
}
