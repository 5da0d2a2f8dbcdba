import type { Test } from 'tap'
import type { Store } from '@hamicek/noex-store'
import { Barrier } from './barrier.js'

/**
 * Defines the query `slow`, which waits at the barrier and returns `done`; opens it at the end of the test.
 */
export function defineSlowQuery (t: Test, store: Store): Barrier {
  const barrier = new Barrier()
  store.defineQuery('slow', async () => {
    await barrier.pass()
    return 'done'
  })
  t.teardown(() => { barrier.open() })
  return barrier
}
