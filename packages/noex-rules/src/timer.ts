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
