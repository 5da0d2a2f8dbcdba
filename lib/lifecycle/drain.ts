import type { Clock } from '../util/clock.js'
import { closeReasons } from '../protocol/close-codes.js'
import type { Calls } from '../connection/calls.js'
import type { Connections } from '../connection/connections.js'
import type { Resolved } from '../util/option-schema.js'
import { withTimeout } from '../util/with-timeout.js'
import { IN_FLIGHT_TIMEOUT_MS, type shutdownOptions } from './shutdown-options.js'

/**
 * Limit of the time between the reconnections of two clients, in milliseconds: a few need not be spread far.
 */
const MAX_PACE_MS = 20

/** How long a drain takes. */
export type DrainTimes = Resolved<typeof shutdownOptions>

/** The connections and calls that a drain brings to their end. */
export interface DrainHost {
  readonly connections: Connections
  readonly calls: Calls
  readonly clock: Clock
  /** Refuses all upgrades and calls from now on. */
  stopAccepting: () => void
}

/**
 * Brings every connection to its end. First everything goes on for `drainDelayMs`, while readiness
 * answers 503. Then upgrades are refused; the clients are told, and have the grace period to leave; requests
 * in flight are answered, and the connections that are left are closed. So that not all clients come back at
 * the same moment, each is told how long to wait before it does, and the connections that are left are closed
 * one by one over the last part of the grace period. Takes at most the delay, the grace period and two
 * deadlines of 800 ms, regardless of the clients. PROTOCOL.md, "Shutdown".
 */
export class Drain {
  readonly #host: DrainHost
  readonly #times: DrainTimes
  #endDelay: () => void = () => {}
  readonly #delayEnded: Promise<void>
  /** Resolves when no connection is left. */
  readonly ended: Promise<void>

  constructor (times: DrainTimes, host: DrainHost) {
    this.#times = times
    this.#host = host
    this.#delayEnded = new Promise(resolve => { this.#endDelay = resolve })
    this.ended = this.#run()
  }

  /** Ends the delay at once, because the server itself is closing. */
  skipDelay (): void {
    this.#endDelay()
  }

  async #run (): Promise<void> {
    const { connections, calls, clock, stopAccepting } = this.#host
    const { drainDelayMs, gracePeriodMs } = this.#times
    if (drainDelayMs > 0) await withTimeout(drainDelayMs, this.#delayEnded, clock)
    stopAccepting()
    if (gracePeriodMs > 0 && connections.size > 0) await this.#waitForClients()
    const settled = Promise.all([connections.settled(), calls.settled()])
    await withTimeout(IN_FLIGHT_TIMEOUT_MS, settled, clock)
    connections.closeAll(closeReasons.serverShutdown)
    calls.close()
    // Clients that do not answer the close frame are disconnected after `closeTimeoutMs`.
    await connections.empty()
  }

  async #waitForClients (): Promise<void> {
    const { connections, clock } = this.#host
    const { gracePeriodMs, reconnectWindowMs } = this.#times
    const all = shuffled(connections.all)
    const windowMs = Math.min(reconnectWindowMs, all.length * MAX_PACE_MS)
    for (const [i, connection] of all.entries()) {
      connection.notify({
        type: 'system',
        event: 'shutdown',
        gracePeriodMs,
        reconnectAfterMs: Math.round((windowMs * (i + Math.random())) / all.length)
      })
    }
    const endsAt = clock.ticks() + gracePeriodMs
    const pacedMs = Math.min(windowMs, gracePeriodMs / 2)
    const left = connections.empty()
    await withTimeout(gracePeriodMs - pacedMs, left, clock)
    const rest = all.filter(({ isOpen }) => isOpen)
    for (const [i, connection] of rest.entries()) {
      // The last client has the whole grace period.
      const leftMs = endsAt - clock.ticks() - pacedMs * (rest.length - 1 - i) / rest.length
      if (leftMs >= 1) await withTimeout(leftMs, left, clock)
      this.#close(connection).catch(() => {})
    }
  }

  /** Closes one connection when its requests are answered. */
  async #close (connection: Connections['all'][number]): Promise<void> {
    await withTimeout(IN_FLIGHT_TIMEOUT_MS, connection.flow.settled(), this.#host.clock)
    connection.close(closeReasons.serverShutdown)
  }
}

/** Returns the items in random order, so that the oldest connections are not always closed first. */
function shuffled<T> (items: readonly T[]): T[] {
  return items.map(item => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}
