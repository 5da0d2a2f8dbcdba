import type { Clock } from '../util/clock.js'
import { closeReasons } from '../protocol/close-codes.js'
import type { Connections } from '../connection/connections.js'
import { inFlightTimeoutMs } from '../deadlines.js'
import { withTimeout } from '../util/with-timeout.js'

/**
 * Limit of the time between the reconnections of two clients, in milliseconds: a few need not be spread far.
 */
const MAX_PACE_MS = 20

/** The durations of a drain, in milliseconds. */
export interface DrainTimes {
  /** Time until clients are affected, in which load balancers learn to send no more clients. */
  readonly drainDelayMs: number
  /** Time that clients have to disconnect by themselves. */
  readonly gracePeriodMs: number
  /** Time over which the reconnections of the clients are spread. */
  readonly reconnectWindowMs: number
}

/** The connections to drain, and the function that refuses new ones. */
interface DrainHost {
  readonly connections: Connections
  readonly clock: Clock
  /** Refuses new connections from now on. */
  stopAccepting: () => void
}

/**
 * Ends every connection. The service continues for `drainDelayMs`, while its health check fails. Then new
 * connections are refused, and the clients are notified and have the grace period to disconnect; requests in
 * flight are answered, and remaining connections are closed. So that not all clients reconnect at the same
 * moment, each is sent a time to wait, and remaining connections are closed one by one over the last part of
 * the grace period. A drain takes at most the delay, the grace period, `inFlightTimeoutMs` and
 * `closeTimeoutMs`. PROTOCOL.md, "Shutdown".
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
    const { connections, clock, stopAccepting } = this.#host
    const { drainDelayMs, gracePeriodMs } = this.#times
    if (drainDelayMs > 0) await withTimeout(drainDelayMs, this.#delayEnded, clock)
    stopAccepting()
    if (gracePeriodMs > 0 && connections.size > 0) await this.#waitForClients()
    await withTimeout(inFlightTimeoutMs, connections.settled(), clock)
    connections.closeAll(closeReasons.serverShutdown)
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
    await withTimeout(inFlightTimeoutMs, connection.flow.settled(), this.#host.clock)
    connection.close(closeReasons.serverShutdown)
  }
}

/** Returns the items in random order, so that the oldest connections are not always closed first. */
function shuffled<T> (items: readonly T[]): T[] {
  return items.map(item => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}
