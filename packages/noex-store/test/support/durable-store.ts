import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { Store, type DurabilityNotice, type DurabilityOptions } from '../../src/index.js'

/** Starts a durable store that ends with the test. */
export async function startDurable (
  t: Test, directory: string, durability: Partial<DurabilityOptions> = {}
): Promise<{ store: Store, notices: DurabilityNotice[] }> {
  const notices: DurabilityNotice[] = []
  const store = await Store.start({
    ttlCheckIntervalMs: 0,
    durability: { directory, onNotice: notice => { notices.push(notice) }, ...durability }
  })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  return { store, notices }
}

/** Waits up to 20 seconds until something is so. */
export const until = async (isSo: () => boolean, what: string): Promise<void> => {
  for (const deadline = Date.now() + 20_000; !isSo();) {
    if (Date.now() > deadline) throw new Error(`waited for: ${what}`)
    await delay(5)
  }
}
