import type { Duration } from './util/duration.js'

/** A timer that runs. */
export interface Timer {
  /** Unique in its engine; opaque. */
  id: string
  /** Unique in its engine: a timer of the same name replaces the one before. */
  name: string
  /** When it fires next, in epoch milliseconds. */
  expiresAt: number
  onExpire: TimerEvent
  repeat?: { interval: number, maxCount?: number }
  /** A cron expression of five fields, or six with seconds in front. */
  cron?: string
  correlationId?: string
}

/** The event that a timer sends when it fires. */
export interface TimerEvent {
  topic: string
  data: Record<string, unknown>
}

/** What `setTimer` takes: either a `duration` or a `cron`. */
export interface TimerConfig {
  /** A timer of the same name is replaced. */
  name: string
  /** Until it fires, for the first time; longer than 0. */
  duration?: Duration | undefined
  /** When it fires, again and again, in local time: five fields, or six with seconds in front. */
  cron?: string | undefined
  onExpire: { topic: string, data?: TimerEvent['data'] | undefined }
  /** Fires again so long after each time it was handled. With `duration` only. */
  repeat?: { interval: Duration, maxCount?: number | undefined } | undefined
  /** Fires so often altogether. `repeat.maxCount` says the same. */
  maxCount?: number | undefined
  /** Ties its events together. */
  correlationId?: string | undefined
}
