/** Something that happened: sent by the application, by a rule, or by a timer. */
export interface Event {
  /** Unique in its engine; opaque. */
  id: string
  /** Segments joined by `.`. */
  topic: string
  data: Record<string, unknown>
  /** Epoch milliseconds. */
  timestamp: number
  /** Ties together what belongs to one affair. Absent when nobody gave one. */
  correlationId?: string
  /** The event or timer that led to this one. */
  causationId?: string
  source: EventSource
}

/** Who sent an event: the application (`emit`), an action of a rule, or a timer. */
export type EventSource = 'api' | 'rule' | 'timer'
