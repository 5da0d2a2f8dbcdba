import type { CompiledMatcher } from '../compiler/compiled-rule.js'
import type { Event } from '../event.js'
import type { Occurrence } from '../state/occurrence.js'

/** So many events of a window are shown to its rule: the oldest. */
export const MAX_SHOWN_EVENTS = 100

/** Tells whether an event is one that a matcher means. */
export function matchesEvent ({ topic, accepts }: CompiledMatcher, event: Event): boolean {
  return topic.matches(event.topic) && accepts(event.data)
}

/** What a rule sees whose pattern has come true. `matchers` name the events, one each; the last names all that follow. */
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
