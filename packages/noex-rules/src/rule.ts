import type { Action } from './action.js'
import type { Condition } from './condition.js'
import type { Duration } from './util/duration.js'
import type { TemporalPattern } from './temporal-pattern.js'

/** A rule as the engine holds it: complete, frozen. */
export interface Rule {
  id: string
  name: string
  description?: string
  /** Rules of a higher priority run first; those of one priority in the order of their registration. */
  priority: number
  enabled: boolean
  /** From one counter of the engine: grows with each registration and update, and so jumps. */
  version: number
  tags: string[]
  /** The group that can disable it. */
  group?: string
  trigger: RuleTrigger
  /** All must hold; none means always. */
  conditions: RuleCondition[]
  /** Run one after the other. */
  actions: RuleAction[]
  lookups?: RuleLookup[]
  /** Epoch milliseconds, kept by an update. */
  createdAt: number
  /** Epoch milliseconds. */
  updatedAt: number
}

/** What `registerRule` takes. What is not given has the default that stands beside it. */
export interface RuleInput {
  id: string
  name: string
  description?: string | undefined
  /** @default 0 */
  priority?: number | undefined
  /** @default true */
  enabled?: boolean | undefined
  /** @default [] */
  tags?: string[] | undefined
  group?: string | undefined
  trigger: RuleTrigger
  /** @default [] */
  conditions?: RuleCondition[] | undefined
  /** @default [] */
  actions?: RuleAction[] | undefined
  lookups?: RuleLookup[] | undefined
}

export type RuleTrigger =
  | { type: 'event', topic: string }
  | { type: 'fact', pattern: string }
  | { type: 'timer', name: string }
  | { type: 'temporal', pattern: TemporalPattern }

/** Every type of a trigger. */
export const TRIGGER_TYPES = [
  'event', 'fact', 'timer', 'temporal'
] as const satisfies ReadonlyArray<RuleTrigger['type']>

export type RuleCondition = Condition
export type RuleAction = Action

/** What a rule asks of a service before its conditions are looked at. */
export interface RuleLookup {
  name: string
  service: string
  method: string
  /** With references at any depth. @default [] */
  args?: unknown[]
  cache?: { ttl: Duration }
  /** A failure skips the rule without a word, or counts as the rule's failure. @default 'skip' */
  onError?: 'skip' | 'fail'
}
