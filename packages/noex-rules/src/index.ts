export { type Action, ACTION_TYPES, LOG_LEVELS, type Reference, type TimerSetting } from './action.js'
export type { Clock } from './clock.js'
export {
  type Condition,
  CONDITION_OPERATORS,
  CONDITION_SOURCE_TYPES,
  type ConditionOperator,
  type ConditionSource
} from './condition.js'
export { type Duration, formatDuration, parseDuration } from './duration.js'
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
  SubscriberTimeoutError
} from './errors.js'
export type { Event, EventSource } from './event.js'
export type { Fact } from './fact.js'
export { compileKeyPattern, matchesFactPattern, matchesTimerPattern } from './key-pattern.js'
export type { Logger } from './logger.js'
export type { LookupCache } from './lookups.js'
export type { PersistenceConfig, RuleEngineConfig } from './options.js'
export { getNestedValue } from './path.js'
export type { PatternMatcher } from './pattern.js'
export type { ErrorContext, ErrorListener } from './reporter.js'
export { type Rule, type RuleAction, type RuleCondition, type RuleInput, type RuleLookup, type RuleTrigger, TRIGGER_TYPES } from './rule.js'
export { RuleEngine } from './rule-engine.js'
export type { RuleGroup, RuleGroupInput, RuleGroupUpdate } from './rule-group.js'
export { RuleStorageError } from './rule-storage.js'
export type { EngineStats, LastError } from './stats.js'
export type { EventHandler, SubscribeOptions } from './subscriptions.js'
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
export type { TimerConfig } from './timer-config.js'
export type { Timer, TimerEvent } from './timer.js'
export { compileTopicPattern, matchesTopic } from './topic-pattern.js'
export {
  type ManyValidationResult,
  RuleInputValidator,
  type RuleInputValidatorOptions
} from './validation/rule-input-validator.js'
export type { ValidationIssue, ValidationResult } from './validation-result.js'
