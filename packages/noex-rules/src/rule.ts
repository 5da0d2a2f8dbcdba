import type { Action } from './action.js'
import type { Condition } from './condition.js'
import type { TemporalPattern } from './temporal-pattern.js'
import type { Duration } from './util/duration.js'

/** A registered rule: complete, frozen. */
export interface Rule {
  id: string
  name: string
  description?: string
  /** Rules of a higher priority run first; those of one priority in the order of their registration. */
  priority: number
  enabled: boolean
  /** Drawn from one counter of the engine with each registration and update: grows, with gaps. */
  version: number
  tags: string[]
  /** The id of the group that can disable it. */
  group?: string
  trigger: RuleTrigger
  /** All must hold; an empty list always holds. */
  conditions: RuleCondition[]
  /** Run one after the other. */
  actions: RuleAction[]
  lookups?: RuleLookup[]
  /** Epoch milliseconds, kept by an update. */
  createdAt: number
  /** Epoch milliseconds. */
  updatedAt: number
}

/** The argument of `registerRule`. */
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

/** A call of a service, whose result the conditions and actions of a rule can read. */
export interface RuleLookup {
  name: string
  service: string
  method: string
  /** May contain references at any depth. @default [] */
  args?: unknown[]
  cache?: { ttl: Duration }
  /**
   * A failure skips the rule silently (`skip`), or counts as a failure of the rule (`fail`). @default 'skip'
   */
  onError?: 'skip' | 'fail'
}
