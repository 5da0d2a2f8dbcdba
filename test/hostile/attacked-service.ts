import type { Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import type { TestClient } from '../support/client.js'
import { serve, type Served, type ServeSettings } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'

/** Time after which all that an attack has opened must be gone, in milliseconds. */
const PATIENCE_MS = 10_000

export interface Attacked extends Served {
  /** A client that has done nothing wrong. */
  readonly otherClient: TestClient
  /**
   * Sees that the attack is over and has left nothing: the other client is served, only it is connected, and
   * every error was caught.
   */
  readonly unharmed: (t: Test) => Promise<void>
}

/** Serves a fresh store to an honest client and to an attacker. */
export async function serveAttacked (
  t: Test,
  options: Omit<NoexOptions, 'store'> = {},
  settings: ServeSettings = {}
): Promise<Attacked> {
  const uncaught = watchUncaughtErrors(t)
  const served = await serve(t, options, settings)
  const otherClient = await served.connect()
  async function unharmed (t: Test): Promise<void> {
    const giveUpAt = performance.now() + PATIENCE_MS
    do await otherClient.settled()
    while (served.app.noex.connectionCount > 1 && performance.now() < giveUpAt)
    t.equal(served.app.noex.connectionCount, 1, 'the attacker is gone')
    t.same(uncaught, [], 'every error was caught')
  }
  return { ...served, otherClient, unharmed }
}
