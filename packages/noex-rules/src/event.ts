/** An event: sent by the application, by a rule, or by a timer. Frozen. */
export interface Event {
  /** Unique in its engine; opaque. */
  id: string
  /** Segments joined by `.`. */
  topic: string
  data: Record<string, unknown>
  /** Epoch milliseconds. */
  timestamp: number
  /** Shared by events that belong together. Absent when none was given. */
  correlationId?: string
  /** The event or timer that led to this one. */
  causationId?: string
  source: EventSource
}

/** The sender of an event: the application (`emit`), an action of a rule, or a timer. */
export type EventSource = 'api' | 'rule' | 'timer'
