import type { CompiledMatcher, CompiledTemporalPattern } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import type { Occurrence } from '../state/occurrence.js'
import { temporalOccurrence } from './temporal-occurrence.js'

/** The totals of the samples in a window. */
export interface Totals {
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
}

export const NO_TOTALS: Totals = { count: 0, sum: 0, min: Infinity, max: -Infinity }

export function addSample ({ count, sum, min, max }: Totals, value: number): Totals {
  return { count: count + 1, sum: sum + value, min: Math.min(min, value), max: Math.max(max, value) }
}

export function addTotals (a: Totals, b: Totals): Totals {
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    min: Math.min(
      a.min, b.min
    ),
    max: Math.max(a.max, b.max)
  }
}

/** The aggregation of a count or an aggregate over the events of a window. */
export interface WindowAggregation {
  readonly event: CompiledMatcher
  readonly windowMs: number
  readonly groupOf: CompiledTemporalPattern['groupOf']
  /** Returns the sample of an event; `undefined` when it does not count. */
  readonly sampleOf: (event: Event) => number | undefined
  /** Returns the occurrence for the rule; `undefined` when the threshold is not met. */
  readonly occurrenceOf: (
    totals: Totals,
    shown: () => readonly Event[],
    group: string | undefined,
    now: number
  ) => Occurrence | undefined
}

type Windowed = Extract<CompiledTemporalPattern, { type: 'count' | 'aggregate' }>

export function createAggregation (pattern: Windowed): WindowAggregation {
  const { event, windowMs, groupOf, holds } = pattern
  const valueOf = aggregateFunction(pattern)
  return {
    event,
    windowMs,
    groupOf,
    sampleOf: pattern.type === 'count' || pattern.function === 'count'
      ? () => 0
      : ({ data }) => pattern.valueOf(data),
    occurrenceOf (totals, shown, group, now) {
      const value = valueOf(totals)
      if (!holds(value)) return undefined
      const events = shown()
      const data = {
        ...group !== undefined && { groupKey: group },
        count: totals.count,
        value,
        events: events.map(({ data }) => data)
      }
      return temporalOccurrence(data, events, [event], now)
    }
  }
}

function aggregateFunction (pattern: Windowed): (totals: Totals) => number {
  const name = pattern.type === 'count' ? 'count' : pattern.function
  return name === 'avg' ? ({ sum, count }) => sum / count : totals => totals[name]
}
