import type { Duration } from './util/duration.js'

/** Which events a temporal pattern means. */
export interface EventMatcher {
  topic: string
  /** Dotted path into the event's data → the value that must stand there. */
  filter?: Record<string, string | number | boolean | null>
  /** The name for `matched.<as>`. */
  as?: string
}

/** What must happen over time for a rule to run. `groupBy` is a dotted path into the data: each value is watched for itself. */
export type TemporalPattern = SequencePattern | AbsencePattern | CountPattern | AggregatePattern

/** The events, in this order, within a time that starts with the first. */
export interface SequencePattern {
  type: 'sequence'
  events: EventMatcher[]
  within: Duration
  groupBy?: string
  /** Any other event of the group, of a topic that the pattern names, ends a sequence that has begun. @default false */
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

/** So many events within the window. */
export interface CountPattern {
  type: 'count'
  event: EventMatcher
  threshold: number
  /** @default 'gte' */
  comparison?: 'gte' | 'lte' | 'eq'
  window: Duration
  groupBy?: string
  /** Looks back from each event, instead of windows side by side. @default false */
  sliding?: boolean
}

/** A figure over a numeric field of the events within the window. */
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

/** How a count or a figure is compared with its threshold. */
export const TEMPORAL_COMPARISONS = ['gte', 'lte', 'eq'] as const

/** Every figure of an aggregate. */
export const AGGREGATE_FUNCTIONS = ['sum', 'avg', 'min', 'max', 'count'] as const
