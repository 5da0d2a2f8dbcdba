import type { Clock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'

/** A connection as the heartbeat sees it. */
export interface Pingable {
  /**
   * Whether a frame has arrived, or reading has begun again, since this was last set to `false`; `true` at
   * first.
   */
  isAlive: boolean
  /** Whether the server does not read because the client does not: then silence is no sign of its end. */
  readonly isPaused: boolean
  /** Sends a ping, and makes sure that the answer is read. */
  ping: () => void
  /** Called when the client has not answered a ping in time. */
  onTimeout: () => void
}

/**
 * Pings every connection once per interval and reports those that stay silent for too long. Any frame that
 * arrives after a ping counts as its answer; the timestamp in a pong is not used.
 * PROTOCOL.md, "Heartbeat".
 */
export class Heartbeat {
  readonly #next: DeadlineQueue<Pingable>
  readonly #answer: DeadlineQueue<Pingable> | undefined

  constructor (options: { readonly intervalMs: number, readonly timeoutMs: number }, clock: Clock) {
    this.#next = new DeadlineQueue<Pingable>(options.intervalMs, clock, pingable => { this.#tick(pingable) })
    // Without a shorter timeout, the answer is checked at the next ping.
    this.#answer =
      options.timeoutMs < options.intervalMs
        ? new DeadlineQueue<Pingable>(
          options.timeoutMs,
          clock,
          pingable => { if (this.#isSilent(pingable)) pingable.onTimeout() }
        )
        : undefined
  }

  /** Pings from now on, for the first time after one interval. */
  add (pingable: Pingable): void {
    this.#next.add(pingable)
  }

  delete (pingable: Pingable): void {
    this.#next.delete(pingable)
    this.#answer?.delete(pingable)
  }

  stop (): void {
    this.#next.clear()
    this.#answer?.clear()
  }

  #tick (pingable: Pingable): void {
    if (this.#isSilent(pingable)) {
      pingable.onTimeout()
      return
    }
    pingable.isAlive = false
    pingable.ping()
    this.#next.add(pingable)
    this.#answer?.add(pingable)
  }

  #isSilent (pingable: Pingable): boolean {
    return !pingable.isAlive && !pingable.isPaused
  }
}
