import { CLOSE_TIMEOUT_MS } from '../protocol/close-codes.js'
import { option, options, requireObject } from '../util/option-schema.js'
import { integer, MAX_TIMER_MS } from '../util/option-types.js'

/** The option `shutdown`. */
export interface ShutdownOptions {
  /**
   * Time that `app.close()` gives clients to leave by themselves, in milliseconds. With 0 they are closed at
   * once.
   * @default 0
   */
  gracePeriodMs?: number | undefined
  /**
   * Time for which `app.noex.drain()` goes on serving all clients, new ones too, while `/readyz` already
   * answers 503, in milliseconds: load balancers need it to notice. `app.close()` by itself does not wait.
   * @default 0
   */
  drainDelayMs?: number | undefined
  /**
   * Time over which the clients are told to come back, in milliseconds, so that they do not come at the same
   * moment.
   * @default 5_000
   */
  reconnectWindowMs?: number | undefined
}

/** The options of `app.noex.drain()` and `NoexServer.stop()`. */
export interface DrainOptions {
  /**
   * Milliseconds that clients have to leave by themselves.
   * @default the option `shutdown.gracePeriodMs`
   */
  gracePeriodMs?: number | undefined
  /**
   * Milliseconds for which everything is still served, while readiness already answers 503.
   * @default the option `shutdown.drainDelayMs`
   */
  drainDelayMs?: number | undefined
}

/** Time after the grace period in which requests in flight may be answered, in milliseconds. */
export const IN_FLIGHT_TIMEOUT_MS = 800

/** Milliseconds that a timer can wait, with the time that closing takes afterwards. */
const pause = integer(0, MAX_TIMER_MS - IN_FLIGHT_TIMEOUT_MS - CLOSE_TIMEOUT_MS)

export const shutdownOptions = options<ShutdownOptions>()({
  gracePeriodMs: option(pause, 0),
  drainDelayMs: option(pause, 0),
  reconnectWindowMs: option(integer(0, MAX_TIMER_MS), 5_000)
})

const drainOptions = options<DrainOptions>()({
  gracePeriodMs: option(pause, undefined),
  drainDelayMs: option(pause, undefined)
})

/** Throws a NoexOptionsError unless `drain` and `stop` take `options`. */
export function checkDrainOptions (options: unknown): void {
  drainOptions.resolve(requireObject(options, 'drain'), '')
}
