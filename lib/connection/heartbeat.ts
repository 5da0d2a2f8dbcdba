import { encodeNotice } from '../protocol/encode.js'
import { textFrame } from '../protocol/frame.js'
import type { Clock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import { isTurnOver, nextTurn } from '../util/slice.js'

/** Parts of an interval; connections that come in the same one are pinged together. */
const MAX_PARTS = 16

/** Pings between two looks at the clock. */
const STEP = 64

/** A connection as the heartbeat sees it. */
export interface Pingable {
  /**
   * Whether a frame has arrived, or reading has begun again, since this was last set to `false`; `true` at
   * first.
   */
  isAlive: boolean
  /** Whether the server does not read because the client does not: then silence is no sign of its end. */
  readonly isPaused: boolean
  /** Sends a ping, which is encoded, and makes sure that the answer is read. */
  ping: (frame: Buffer) => void
  /** Called when the client has not answered a ping in time. */
  onTimeout: () => void
}

/**
 * Pings every connection once per interval and reports those that stay silent for too long. Any frame that
 * arrives after a ping counts as its answer; the timestamp in a pong is not used. A ping for each connection
 * at its own moment would cost several times as much: the process, and the client's, would wake up for each.
 * PROTOCOL.md, "Heartbeat".
 */
export class Heartbeat {
  readonly #clock: Clock
  readonly #partMs: number
  /** The connections by the part of the interval in which they are pinged. */
  readonly #parts: ReadonlyArray<Set<Pingable>>
  readonly #answer: DeadlineQueue<Set<Pingable>> | undefined
  /** The part that is under way. */
  #current = 0
  /** When it ends, in ticks of the clock. */
  #endsAt = 0
  #cancel: (() => void) | undefined

  constructor (
    { intervalMs, timeoutMs }: { readonly intervalMs: number, readonly timeoutMs: number }, clock: Clock
  ) {
    const parts = Math.max(1, Math.min(MAX_PARTS, Math.floor(intervalMs)))
    this.#clock = clock
    this.#partMs = intervalMs / parts
    this.#parts = Array.from({ length: parts }, () => new Set())
    // Without a shorter timeout, the answer is checked at the next ping.
    this.#answer = timeoutMs < intervalMs
      ? new DeadlineQueue<Set<Pingable>>(timeoutMs, clock, part => { this.#check(part) })
      : undefined
  }

  /** Pings from now on, for the first time after one interval, or up to a sixteenth of it earlier. */
  add (pingable: Pingable): void {
    this.#parts[this.#current]?.add(pingable)
    if (this.#cancel !== undefined) return
    this.#endsAt = this.#clock.ticks() + this.#partMs
    this.#wait()
  }

  delete (pingable: Pingable): void {
    for (const part of this.#parts) part.delete(pingable)
  }

  stop (): void {
    for (const part of this.#parts) part.clear()
    this.#cancel?.()
    this.#cancel = undefined
    this.#answer?.clear()
  }

  /** Waits for the next part. Rounded up: a timer may fire a fraction of a millisecond early. */
  #wait (): void {
    const leftMs = Math.max(1, Math.ceil(this.#endsAt - this.#clock.ticks()))
    this.#cancel = this.#clock.after(leftMs, this.#begin)
  }

  readonly #begin = (): void => {
    this.#cancel = undefined
    if (this.#parts.every(part => part.size === 0)) return
    // After a stall of the process, the parts that it has missed are not made up for: two pings in quick
    // succession leave no time for an answer.
    this.#endsAt = Math.max(this.#endsAt, this.#clock.ticks() - this.#partMs) + this.#partMs
    this.#current = (this.#current + 1) % this.#parts.length
    this.#wait()
    this.#ping(this.#parts[this.#current] as Set<Pingable>)
  }

  /** Pings the connections of a part; very many in several turns. Never rejects. */
  async #ping (part: Set<Pingable>): Promise<void> {
    if (part.size === 0) return
    const frame = textFrame(encodeNotice({ type: 'ping', timestamp: this.#clock.now() }))
    let count = 0
    // Without those that come meanwhile.
    for (const pingable of [...part]) {
      if (++count % STEP === 0 && isTurnOver()) await nextTurn()
      if (!part.has(pingable)) continue
      if (isSilent(pingable)) {
        this.#lose(pingable, part)
      } else {
        pingable.isAlive = false
        pingable.ping(frame)
      }
    }
    this.#answer?.add(part)
  }

  #check (part: Set<Pingable>): void {
    for (const pingable of part) if (isSilent(pingable)) this.#lose(pingable, part)
  }

  #lose (pingable: Pingable, part: Set<Pingable>): void {
    part.delete(pingable)
    pingable.onTimeout()
  }
}

function isSilent (pingable: Pingable): boolean {
  return !pingable.isAlive && !pingable.isPaused
}
