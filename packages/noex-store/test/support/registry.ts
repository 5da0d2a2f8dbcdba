import * as registry from 'registry-noex-store'
import type { Test } from 'tap'
import { Store } from '../../src/index.js'

/** The interface that both packages have. */
export type AnyStore = registry.Store

export interface Both {
  /** A store of the registry's package, which ends with the test. */
  readonly theirs: AnyStore
  readonly ours: AnyStore
}

let started = 0

/** Starts a store of each package. */
export async function startBoth (t: Test): Promise<Both> {
  const options = { name: `both-${++started}`, ttlCheckIntervalMs: 0 }
  const theirs = await registry.Store.start(options)
  const ours = await Store.start(options) as unknown as AnyStore
  t.teardown(async () => { await Promise.all([theirs.stop(), ours.stop()]) })
  return { theirs, ours }
}

/** Returns the least time of some runs, in milliseconds: what others do on the machine counts less. */
export async function leastTime (run: () => Promise<unknown>, rounds = 9): Promise<number> {
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    await run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}
