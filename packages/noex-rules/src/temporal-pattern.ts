import type { Duration } from './util/duration.js'

/** Selects events by topic and data. */
export interface EventMatcher {
  topic: string
  /** Dotted path into the event's data → the required value. */
  filter?: Record<string, string | number | boolean | null>
  /** The name for `matched.<as>`. */
  as?: string
}

/**
 * A pattern of events over time. `groupBy` is a dotted path into the data: each value is watched on its own.
 */
export type TemporalPattern = SequencePattern | AbsencePattern | CountPattern | AggregatePattern

/** The events, in this order, within a time that begins with the first. */
export interface SequencePattern {
  type: 'sequence'
  events: EventMatcher[]
  within: Duration
  groupBy?: string
  /**
   * An event of the group and of one of the pattern's topics that is not the next one ends a sequence that
   * has begun. @default false
   */
  strict?: boolean
}

/** `after`, and then no `expected` within the time. */
export interface AbsencePattern {
  type: 'absence'
  after: EventMatcher
  expected: EventMatcher
  within: Duration
  groupBy?: string
}

/** The number of events within a window. */
export interface CountPattern {
  type: 'count'
  event: EventMatcher
  threshold: number
  /** @default 'gte' */
  comparison?: 'gte' | 'lte' | 'eq'
  window: Duration
  groupBy?: string
  /** True: a window ends with each event. False: windows follow one another. @default false */
  sliding?: boolean
}

/** A sum, average, minimum, maximum or count of a numeric field of the events within a window. */
export interface AggregatePattern {
  type: 'aggregate'
  event: EventMatcher
  field: string
  function: 'sum' | 'avg' | 'min' | 'max' | 'count'
  threshold: number
  /** @default 'gte' */
  comparison?: 'gte' | 'lte' | 'eq'
  window: Duration
  groupBy?: string
  /** @default true */
  sliding?: boolean
}

/** Every type of a temporal pattern. */
export const TEMPORAL_PATTERN_TYPES = [
  'sequence', 'absence', 'count', 'aggregate'
] as const satisfies ReadonlyArray<TemporalPattern['type']>

/** Every comparison of a count or an aggregate with its threshold. */
export const TEMPORAL_COMPARISONS = ['gte', 'lte', 'eq'] as const

/** Every function of an aggregate. */
export const AGGREGATE_FUNCTIONS = ['sum', 'avg', 'min', 'max', 'count'] as const
