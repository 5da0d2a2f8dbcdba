import type { CompiledMatcher } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import type { Occurrence } from '../state/occurrence.js'

/** The most events of a window that its rule can read: the oldest. */
export const MAX_SHOWN_EVENTS = 100

/** Returns whether an event has the topic and passes the filter of a matcher. */
export function matchesEvent ({ topic, accepts }: CompiledMatcher, event: Event): boolean {
  return topic.matches(event.topic) && accepts(event.data)
}

/**
 * Creates the occurrence of a fulfilled pattern. `matchers` name the events, one each; the last names all
 * that follow.
 */
export function temporalOccurrence (
  data: Record<string, unknown>,
  events: readonly Event[],
  matchers: readonly CompiledMatcher[],
  now: number
): Occurrence {
  const [first] = events
  const last = events.at(-1)
  const correlationId = first?.correlationId
  return {
    data,
    meta: {
      ...last !== undefined && { id: last.id, topic: last.topic, source: last.source },
      timestamp: now,
      ...correlationId !== undefined && { correlationId }
    },
    matched: matchedOf(events, matchers),
    cause: { correlationId, causationId: last?.id }
  }
}

function matchedOf (events: readonly Event[], matchers: readonly CompiledMatcher[]): Record<string, unknown> {
  const matched = new Map<string, unknown>()
  for (const [index, { data }] of events.entries()) {
    const alias = matchers[Math.min(index, matchers.length - 1)]?.as
    if (alias !== undefined) matched.set(alias, data)
  }
  for (const [index, { data }] of events.entries()) matched.set(String(index), data)
  return Object.fromEntries(matched)
}
