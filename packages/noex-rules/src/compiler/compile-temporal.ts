import { compilePath } from '../expressions/path.js'
import { compileTopicPattern } from '../patterns/topic-pattern.js'
import type { AggregatePattern, CountPattern, EventMatcher, TemporalPattern } from '../temporal-pattern.js'
import { parseDuration } from '../util/duration.js'
import type { CompiledMatcher, CompiledTemporalPattern } from './compiled-rule.js'

/** Compiles a temporal pattern. Throws `PatternError`, `RangeError`, and `TypeError` for an unknown type. */
export function compileTemporal (pattern: TemporalPattern): CompiledTemporalPattern {
  const groupOf = compileGroup(pattern.groupBy)
  const { type } = pattern
  switch (type) {
    case 'sequence': return {
      type,
      groupOf,
      events: pattern.events.map(compileMatcher),
      withinMs: parseDuration(pattern.within),
      strict: pattern.strict ?? false
    }
    case 'absence': return {
      type,
      groupOf,
      after: compileMatcher(pattern.after),
      expected: compileMatcher(pattern.expected),
      withinMs: parseDuration(pattern.within)
    }
    case 'count': return {
      type,
      groupOf,
      event: compileMatcher(pattern.event),
      windowMs: parseDuration(pattern.window),
      sliding: pattern.sliding ?? false,
      holds: compileComparison(pattern)
    }
    case 'aggregate': return {
      type,
      groupOf,
      event: compileMatcher(pattern.event),
      windowMs: parseDuration(pattern.window),
      sliding: pattern.sliding ?? true,
      function: pattern.function,
      valueOf: compileNumber(pattern.field),
      holds: compileComparison(pattern)
    }
    default: throw new TypeError('A temporal pattern has an unknown type')
  }
}

type Test = CompiledMatcher['accepts']

/** The most characters of a group key. */
const MAX_GROUP_CHARS = 1_024

/**
 * Compiles the group of an event: `undefined` when the field is missing, is an object, or has more than 1,024
 * characters.
 */
function compileGroup (groupBy: string | undefined): CompiledTemporalPattern['groupOf'] {
  if (groupBy === undefined) return () => ''
  const read = compilePath(groupBy)
  return data => {
    const value = read(data)
    if (value === undefined || value === null || typeof value === 'object') return undefined
    const group = String(value)
    return group.length > MAX_GROUP_CHARS ? undefined : group
  }
}

function compileMatcher ({ topic, filter, as }: EventMatcher): CompiledMatcher {
  return { topic: compileTopicPattern(topic), as, accepts: compileFilter(filter) }
}

function compileFilter (filter: EventMatcher['filter'] = {}): Test {
  const tests = Object.entries(filter).map(([path, wanted]): Test => {
    const read = compilePath(path)
    return data => read(data) === wanted
  })
  return data => tests.every(accepts => accepts(data))
}

/** Ignores infinite numbers and `NaN`. */
function compileNumber (field: string): (data: Readonly<Record<string, unknown>>) => number | undefined {
  const read = compilePath(field)
  return data => {
    const value = read(data)
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined
  }
}

function compileComparison (
  { comparison = 'gte', threshold }: CountPattern | AggregatePattern
): (value: number) => boolean {
  switch (comparison) {
    case 'gte': return value => value >= threshold
    case 'lte': return value => value <= threshold
    case 'eq': return value => value === threshold
    default: throw new TypeError('A temporal pattern has an unknown comparison')
  }
}
