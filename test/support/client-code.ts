import { setImmediate } from 'node:timers/promises'

/**
 * Waits until the code that a client loads when it is used has come, and the client has gone on with it. In a
 * process with hooks for modules that takes some turns of the event loop, also when it was loaded before.
 */
export async function clientCode (): Promise<void> {
  await Promise.all([
    import('../../lib/client/login.js'),
    import('../../lib/client/optimistic.js'),
    import('../../lib/client/remedies.js')
  ])
  await setImmediate()
}
