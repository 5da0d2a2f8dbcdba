import type { loginOptions } from '../auth/auth-options.js'
import type { ResolvedIdempotency } from '../idempotency/idempotency-options.js'
import { payloadBytes, type limitOptions } from '../limits/limit-options.js'
import { option, options, type Resolved } from '../util/option-schema.js'
import { boolean, integer, MAX_INTEGER, MAX_TIMER_MS, timerMs, type } from '../util/option-types.js'

/** The options of every connection. */
export interface ConnectionOptions {
  /**
   * The largest message that a client may send, in bytes.
   * @limit close 1009
   * @default 1_048_576
   */
  maxPayloadBytes?: number | undefined
  /** How often clients are asked whether they are still there. */
  heartbeat?: HeartbeatOptions | undefined
  /** How much may wait for a client that reads slowly. */
  backpressure?: BackpressureOptions | undefined
  /** How records of ephemeral buckets end with the connection that has written them. */
  presence?: PresenceOptions | undefined
  /**
   * Whether error replies carry `details`, with values of records. Messages name the fields in any case.
   * @default true
   */
  exposeErrorDetails?: boolean | undefined
}

/** The option `heartbeat`. */
export interface HeartbeatOptions {
  /**
   * Time between two pings, in milliseconds.
   * @default 30_000
   */
  intervalMs?: number | undefined
  /**
   * Time that a client has to answer a ping, in milliseconds. No shorter than this and no longer than
   * `heartbeat.intervalMs`.
   * @limit close 4001 `heartbeat_timeout`
   * @default 10_000
   */
  timeoutMs?: number | undefined
}

/** The option `backpressure`. */
export interface BackpressureOptions {
  /**
   * Bytes that may wait for one client. Above it nothing more is read from that client.
   * @limit nothing more is read from the client until it has read enough
   * @default 1_048_576
   */
  maxBufferedBytes?: number | undefined
  /**
   * Share of `backpressure.maxBufferedBytes` above which pushes wait: the client gets the newest state once
   * it has read the rest.
   * @limit pushes wait, and leave states out
   * @default 0.8
   */
  highWaterMark?: number | undefined
  /**
   * Time that a client may stay above that share before it is closed, in milliseconds.
   * @limit close 1013 `slow_consumer`
   * @default 4_000
   */
  drainTimeoutMs?: number | undefined
}

/** The option `presence`. */
export interface PresenceOptions {
  /**
   * Time for which the records of a connection stay in ephemeral buckets after it has ended, in milliseconds:
   * a client that comes back and writes them again takes them over.
   * @default 10_000
   */
  graceMs?: number | undefined
  /**
   * Records that one connection may have in ephemeral buckets: all are removed in one step, in which nothing
   * else runs.
   * @limit `VALIDATION_ERROR` with `details.maxRecords`
   * @default 1_000
   */
  maxRecords?: number | undefined
}

const share = type('number above 0, at most 1', 'must be a number above 0 and at most 1', value =>
  typeof value === 'number' && value > 0 && value <= 1)

const heartbeatOptions = options<HeartbeatOptions>()({
  intervalMs: option(timerMs, 30_000),
  timeoutMs: option(timerMs, 10_000)
})

const backpressureOptions = options<BackpressureOptions>()({
  maxBufferedBytes: option(integer(1, MAX_INTEGER), 1_048_576),
  highWaterMark: option(share, 0.8),
  drainTimeoutMs: option(timerMs, 4_000)
})

export const presenceOptions = options<PresenceOptions>()({
  graceMs: option(integer(0, MAX_TIMER_MS), 10_000),
  maxRecords: option(integer(0, MAX_INTEGER), 1_000)
})

export const connectionOptions = options<ConnectionOptions>()({
  maxPayloadBytes: option(payloadBytes, 1_048_576),
  heartbeat: heartbeatOptions,
  backpressure: backpressureOptions,
  presence: presenceOptions,
  exposeErrorDetails: option(boolean, true)
})

/** The options, checked, that all connections obey. */
export type ConnectionsOptions = Resolved<typeof connectionOptions> & Resolved<typeof limitOptions> &
  Pick<Resolved<typeof loginOptions>, 'loginTimeoutMs'> & { readonly idempotency: ResolvedIdempotency }
