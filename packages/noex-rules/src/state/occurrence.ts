import type { Event } from '../event.js'
import type { Scope } from '../expressions/scope.js'
import type { Timer } from '../timer.js'
import type { FactChange } from './fact-store.js'

/** The trigger of a rule, as the rule sees it. */
export interface Occurrence extends Pick<Scope, 'data' | 'meta' | 'matched'> {
  readonly cause: Cause
}

/** The causation of the events that a rule sends. */
export interface Cause {
  readonly correlationId?: string | undefined
  /** The event or timer that triggered the rule. */
  readonly causationId?: string | undefined
}

export const NO_CAUSE: Cause = {}

export function eventOccurrence (event: Event): Occurrence {
  return {
    data: event.data,
    meta: event,
    matched: { 0: event.data },
    cause: { correlationId: event.correlationId, causationId: event.id }
  }
}

/** A fact has no correlation id of its own: it takes that of the event whose rule has set it. */
export function factOccurrence ({ fact, previous }: FactChange, cause: Cause): Occurrence {
  const data = {
    fact,
    key: fact.key,
    value: fact.value,
    previousValue: previous?.value,
    type: previous === undefined ? 'created' : 'updated'
  }
  const meta = { timestamp: fact.timestamp, source: fact.source, ...correlation(cause) }
  return { data, meta, matched: {}, cause }
}

export function timerOccurrence (timer: Timer, now: number): Occurrence {
  const data = {
    timerId: timer.id,
    timerName: timer.name,
    expiresAt: timer.expiresAt,
    ...correlation(timer),
    ...timer.onExpire.data
  }
  return {
    data,
    meta: { id: timer.id, timestamp: now, source: 'timer', ...correlation(timer) },
    matched: {},
    cause: { correlationId: timer.correlationId, causationId: timer.id }
  }
}

function correlation ({ correlationId }: Cause): { correlationId?: string } {
  return correlationId === undefined ? {} : { correlationId }
}
