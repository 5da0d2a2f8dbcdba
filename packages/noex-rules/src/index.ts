export { type Action, ACTION_TYPES, LOG_LEVELS, type TimerSetting } from './action.js'
export {
  type Condition,
  CONDITION_OPERATORS,
  CONDITION_SOURCE_TYPES,
  type ConditionOperator,
  type ConditionSource,
  type Reference
} from './condition.js'
export type { Clock } from './util/clock.js'
export { type Duration, formatDuration, parseDuration } from './util/duration.js'
export {
  DataResolutionError,
  EngineBusyError,
  EngineNotRunningError,
  LimitError,
  PatternError,
  ResolutionError,
  RuleNotFoundError,
  RuleValidationError,
  ServiceError,
  ServiceTimeoutError,
  SubscriberTimeoutError,
  type ValidationIssue
} from './errors.js'
export type { Event, EventSource } from './event.js'
export type { Fact } from './fact.js'
export { compileKeyPattern, matchesFactPattern, matchesTimerPattern } from './patterns/key-pattern.js'
export type { Logger } from './util/logger.js'
export type { LookupCache } from './engine/lookups.js'
export type { ErrorContext, ErrorListener, PersistenceConfig, RuleEngineConfig } from './options.js'
export { getNestedValue } from './expressions/path.js'
export type { PatternMatcher } from './patterns/pattern.js'
export {
  type Rule,
  type RuleAction,
  type RuleCondition,
  type RuleInput,
  type RuleLookup,
  type RuleTrigger,
  TRIGGER_TYPES
} from './rule.js'
export { RuleEngine } from './rule-engine.js'
export type { RuleGroup, RuleGroupInput, RuleGroupUpdate } from './rule-group.js'
export { RuleStorageError } from './state/rule-storage.js'
export type { EngineStats, LastError } from './state/stats.js'
export type { EventHandler, SubscribeOptions } from './state/subscriptions.js'
export {
  type AbsencePattern,
  AGGREGATE_FUNCTIONS,
  type AggregatePattern,
  type CountPattern,
  type EventMatcher,
  type SequencePattern,
  TEMPORAL_COMPARISONS,
  TEMPORAL_PATTERN_TYPES,
  type TemporalPattern
} from './temporal-pattern.js'
export type { Timer, TimerConfig, TimerEvent } from './timer.js'
export { compileTopicPattern, matchesTopic } from './patterns/topic-pattern.js'
export {
  type ManyValidationResult,
  RuleInputValidator,
  type RuleInputValidatorOptions
} from './validation/rule-input-validator.js'
export type { ValidationResult } from './validation/issues.js'
