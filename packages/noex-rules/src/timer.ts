import type { Duration } from './util/duration.js'

/** A running timer. Frozen. */
export interface Timer {
  /** Unique in its engine; opaque. */
  id: string
  /** Unique in its engine: a timer of the same name replaces the one before. */
  name: string
  /** The next time it fires, in epoch milliseconds. */
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

/** The argument of `setTimer`: with either a `duration` or a `cron`. */
export interface TimerConfig {
  /** A timer of the same name is replaced. */
  name: string
  /** The time until it first fires; longer than 0. */
  duration?: Duration | undefined
  /** The times it fires, in local time: five fields, or six with seconds in front. */
  cron?: string | undefined
  onExpire: { topic: string, data?: TimerEvent['data'] | undefined }
  /** Fires again `interval` after each time it was handled. With `duration` only. */
  repeat?: { interval: Duration, maxCount?: number | undefined } | undefined
  /** The number of all firings; `repeat.maxCount` means the same. */
  maxCount?: number | undefined
  /** The correlation id of its events. */
  correlationId?: string | undefined
}
