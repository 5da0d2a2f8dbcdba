import type { Clock } from '../clock.js'
import { closeReasons } from '../close-codes.js'
import type { Connections } from '../connection/connections.js'
import { inFlightTimeoutMs } from '../deadlines.js'
import { within } from '../within.js'

/**
 * Brings every connection to its end: the clients are told and have the grace period to leave, requests in
 * flight are answered, and what is left is closed. Takes at most `gracePeriodMs` plus the two deadlines of
 * deadlines.ts, whatever the clients do. PROTOCOL.md, "Shutdown".
 */
export async function drainConnections (connections: Connections, gracePeriodMs: number, clock: Clock): Promise<void> {
  if (gracePeriodMs > 0 && connections.size > 0) {
    connections.notifyAll({ type: 'system', event: 'shutdown', gracePeriodMs })
    await within(gracePeriodMs, connections.empty(), clock)
  }
  await within(inFlightTimeoutMs, connections.settled(), clock)
  connections.closeAll(closeReasons.serverShutdown)
  // Those that do not answer the close frame are cut off by their closing deadline.
  await connections.empty()
}
