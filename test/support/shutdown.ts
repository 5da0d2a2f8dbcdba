/** The most that a shutdown may take beyond its grace period, with any clients. */
export const SHUTDOWN_ALLOWANCE_MS = 2_000

export const shutdownClose = { code: 1000, reason: 'server_shutdown' }

/** Resolves with the time that `work` took, in milliseconds. */
export async function durationOf (work: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work
  return performance.now() - started
}
