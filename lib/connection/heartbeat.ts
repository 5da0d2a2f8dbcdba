import type { Clock } from '../clock.js'
import { DeadlineQueue } from './deadline-queue.js'

/** A connection as the heartbeat sees it. */
export interface Pulse {
  /** Whether a frame has arrived, or reading has begun again, since this was last set to `false`; `true` at first. */
  heard: boolean
  /** Whether the server has stopped reading because the client has: then silence says nothing, and another deadline counts. */
  readonly paused: boolean
  /** Sends a ping, and listens for the answer. */
  ping: () => void
  /** The client did not answer a ping in time. */
  lost: () => void
}

/**
 * Pings every connection once per interval and reports those that stay silent for too long. Any frame that
 * arrives after a ping counts as its answer, whatever it says: the client's clock is nothing to go by.
 * PROTOCOL.md, "Heartbeat".
 */
export class Heartbeat {
  readonly #next: DeadlineQueue<Pulse>
  readonly #answer: DeadlineQueue<Pulse> | undefined

  constructor (options: { readonly intervalMs: number, readonly timeoutMs: number }, clock: Clock) {
    this.#next = new DeadlineQueue<Pulse>(options.intervalMs, clock, pulse => { this.#tick(pulse) })
    // With no time of its own, an answer is looked for at the next ping.
    this.#answer = options.timeoutMs < options.intervalMs
      ? new DeadlineQueue<Pulse>(options.timeoutMs, clock, pulse => { if (this.#isSilent(pulse)) pulse.lost() })
      : undefined
  }

  /** Starts to ping; the first time after one interval. */
  add (pulse: Pulse): void {
    this.#next.add(pulse)
  }

  delete (pulse: Pulse): void {
    this.#next.delete(pulse)
    this.#answer?.delete(pulse)
  }

  stop (): void {
    this.#next.clear()
    this.#answer?.clear()
  }

  #tick (pulse: Pulse): void {
    if (this.#isSilent(pulse)) {
      pulse.lost()
      return
    }
    pulse.heard = false
    pulse.ping()
    this.#next.add(pulse)
    this.#answer?.add(pulse)
  }

  #isSilent (pulse: Pulse): boolean {
    return !pulse.heard && !pulse.paused
  }
}
