import type { Scope, TriggerMeta } from '../../src/expressions/scope.js'
import type { Fact } from '../../src/fact.js'

/** The parts of a scope; absent ones are empty. */
export interface ScopeParts {
  data?: Record<string, unknown>
  meta?: TriggerMeta
  matched?: Record<string, unknown>
  /** Values by key, in the order in which they were set. */
  facts?: Record<string, unknown>
  lookups?: Record<string, unknown>
  variables?: Record<string, unknown>
}

/** Returns a scope for compiled parts of a rule. */
export function scopeOf (parts: ScopeParts = {}): Scope {
  const facts = new Map(Object.entries(parts.facts ?? {}).map(([key, value]) => [key, factOf(key, value)]))
  return {
    data: parts.data ?? {},
    meta: parts.meta ?? {},
    matched: parts.matched ?? {},
    facts: {
      get: key => facts.get(key),
      matching: pattern => [...facts.values()].filter(fact => pattern.matches(fact.key))
    },
    lookups: new Map(Object.entries(parts.lookups ?? {})),
    variables: new Map(Object.entries(parts.variables ?? {}))
  }
}

function factOf (key: string, value: unknown): Fact {
  return { key, value, timestamp: 0, source: 'api', version: 1 }
}
