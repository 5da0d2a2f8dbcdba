import type { EventSource } from '../event.js'
import type { Fact } from '../fact.js'
import type { PatternMatcher } from '../patterns/pattern.js'

/** The values that the references of a running rule read. */
export interface Scope {
  /**
   * `event.…` and `trigger.…`: the data of the event, or the data that describes a fact, a timer or a
   * temporal pattern.
   */
  readonly data: Readonly<Record<string, unknown>>
  /** `meta.…` */
  readonly meta: TriggerMeta
  /** `matched.<N>.…` and `matched.<alias>.…`: the data of the matched events, by number and by alias. */
  readonly matched: Readonly<Record<string, unknown>>
  readonly facts: FactReader
  /** `lookup.<name>.…` */
  readonly lookups: ReadonlyMap<string, unknown>
  /** `var.<name>.…` */
  readonly variables: ReadonlyMap<string, unknown>
  /** Called when a condition compares a missing value. */
  readonly onMissing?: () => void
}

export interface TriggerMeta {
  readonly id?: string
  readonly topic?: string
  readonly timestamp?: number
  readonly correlationId?: string
  readonly source?: EventSource
}

export interface FactReader {
  get: (key: string) => Fact | undefined
  /** Returns the matching facts, in the order in which their keys were first set. */
  matching: (pattern: PatternMatcher) => Iterable<Fact>
}

/** A compiled part of a rule: returns its value in a scope. Throws `ResolutionError`. */
export type Resolve<T = unknown> = (scope: Scope) => T
