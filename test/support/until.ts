import { setImmediate } from 'node:timers/promises'

const PATIENCE_MS = 10_000

/** Waits for a state that no event announces; rejects after ten seconds. */
export async function until (holds: () => boolean | Promise<boolean>): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS)
  while (!await holds()) {
    patience.throwIfAborted()
    await setImmediate()
  }
}
