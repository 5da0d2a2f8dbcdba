import type { StorageAdapter } from '@hamicek/noex-store'
import { type Clock, type CompleteClock, completeClock, realClock, systemClock } from './util/clock.js'
import type { Logger } from './util/logger.js'
import {
  checkClock,
  checkLogger,
  checkMethods,
  checkPersistence,
  checkServices,
  isFunction,
  isInteger,
  isOneOf,
  isText
} from './util/option-checks.js'
import { isRecord } from './util/record.js'
/** The options of `RuleEngine.start`. A wrong value throws a `TypeError` that names the option. */
export interface RuleEngineConfig {
  /** Used in messages; engines may share it. @default 'rule-engine' */
  name?: string | undefined
  /** The most levels of rules in one chain, from 1 to 100; deeper rules are not run. @default 10 */
  maxForwardDepth?: number | undefined
  /** Accepted without effect: rules run one after the other. @default 10 */
  maxConcurrency?: number | undefined
  /** Accepted without effect. @default 0 */
  debounceMs?: number | undefined
  /** The objects that `call_service` and lookups call, by name. */
  services?: Readonly<Record<string, object>> | undefined
  /** Saves rules and groups, so that they outlive the engine. */
  persistence?: PersistenceConfig | undefined
  /** Milliseconds that one chain waits for all services and lookups together. @default 5000 */
  serviceTimeoutMs?: number | undefined
  /** The most triggers that wait; more are refused with `EngineBusyError`. @default 10000 */
  maxQueue?: number | undefined
  /** The most facts; more are refused with `LimitError`. @default 100000 */
  maxFacts?: number | undefined
  /** As `maxFacts`, for rules. @default 10000 */
  maxRules?: number | undefined
  /** As `maxFacts`, for timers. @default 10000 */
  maxTimers?: number | undefined
  /** As `maxFacts`, for subscriptions. @default 10000 */
  maxSubscriptions?: number | undefined
  /** As `maxFacts`, for groups. @default 1000 */
  maxGroups?: number | undefined
  /**
   * The most sequences begun, absences awaited and events in windows, altogether; one more drops the oldest.
   * @default 100000
   */
  maxTemporalInstances?: number | undefined
  /** The most actions in one chain; the rest of the chain is dropped. @default 10000 */
  maxActionsPerChain?: number | undefined
  /** The most cached results of lookups; one more drops the least recently used. @default 1000 */
  maxCachedLookups?: number | undefined
  /** `'off'` refuses rules that use `matches`. @default 'safe' */
  regex?: 'safe' | 'off' | undefined
  /** Called with every failure. An error that it throws is ignored. */
  onError?: ErrorListener | undefined
  /** @default the console */
  logger?: Logger | undefined
  /**
   * The clock of rules and of the engine's own waits. @default the clock of the process; the engine's own
   * waits do not follow fake timers
   */
  clock?: Clock | undefined
}

/** The storage of rules and groups. */
export interface PersistenceConfig {
  /** Not closed by the engine. */
  adapter: StorageAdapter
  /** @default 'rules' */
  key?: string | undefined
  /** A saved state of another version fails the start. @default 1 */
  schemaVersion?: number | undefined
}

type WithDefault = Omit<RuleEngineConfig, 'persistence' | 'onError' | 'logger' | 'clock'>
type Completed<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

/** The options of a running engine, with all defaults filled in. */
export type EngineOptions = Completed<WithDefault> & {
  readonly persistence: {
    readonly adapter: StorageAdapter,
    readonly key: string,
    readonly schemaVersion: number
  } | undefined
  readonly onError: ErrorListener | undefined
  readonly logger: Logger | undefined
  /** The clock of events, timers and windows of rules. */
  readonly clock: CompleteClock
  /** Measures the engine's own waits. */
  readonly ownClock: CompleteClock
}

const DEFAULTS = {
  name: 'rule-engine',
  maxForwardDepth: 10,
  maxConcurrency: 10,
  debounceMs: 0,
  services: {},
  persistence: undefined,
  serviceTimeoutMs: 5000,
  maxQueue: 10_000,
  maxFacts: 100_000,
  maxRules: 10_000,
  maxTimers: 10_000,
  maxSubscriptions: 10_000,
  maxGroups: 1000,
  maxTemporalInstances: 100_000,
  maxActionsPerChain: 10_000,
  maxCachedLookups: 1000,
  regex: 'safe',
  onError: undefined,
  logger: undefined,
  clock: systemClock
} as const satisfies RuleEngineConfig

const isCount = isInteger(1, Number.MAX_SAFE_INTEGER)

type Check = (value: unknown, name: string) => void

const CHECKS: { readonly [Name in keyof Required<RuleEngineConfig>]: Check } = {
  name: isText,
  maxForwardDepth: isInteger(1, 100),
  maxConcurrency: isCount,
  debounceMs: isInteger(0, Number.MAX_SAFE_INTEGER),
  services: checkServices,
  persistence: checkPersistence,
  serviceTimeoutMs: isInteger(1, 2 ** 31 - 1),
  maxQueue: isCount,
  maxFacts: isCount,
  maxRules: isCount,
  maxTimers: isCount,
  maxSubscriptions: isCount,
  maxGroups: isCount,
  maxTemporalInstances: isCount,
  maxActionsPerChain: isCount,
  maxCachedLookups: isCount,
  regex: isOneOf('safe', 'off'),
  onError: isFunction,
  logger: checkLogger,
  clock: checkClock
}

/**
 * Checks a configuration and fills in the defaults. Throws `TypeError` for a wrong value and for an unknown
 * option.
 */
export function completeOptions (config: unknown): EngineOptions {
  if (config !== undefined) checkMethods(config, 'The configuration of a rule engine', [])
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(config ?? {})) {
    if (value === undefined) continue
    if (Object.hasOwn(CHECKS, name)) {
      CHECKS[name as keyof RuleEngineConfig](value, `The option ${name}`)
      given[name] = value
    } else if (!isSwitchedOff(name, value)) {
      throw new TypeError(`The option ${name} ${refusalOf(name)}`)
    }
  }
  const merged = { ...DEFAULTS, ...given as RuleEngineConfig } as Required<RuleEngineConfig>
  const options = {
    ...merged,
    services: { ...merged.services },
    persistence: merged.persistence &&
      { key: 'rules', schemaVersion: 1, ...withoutUndefined(merged.persistence) },
    clock: completeClock(merged.clock as Clock),
    ownClock: given['clock'] === undefined ? realClock : completeClock(merged.clock as Clock)
  } as EngineOptions
  return Object.freeze(options)
}

/** The options of `@hamicek/noex-rules` whose features this engine does not have. */
const MISSING_FEATURES: Readonly<Record<string, string>> = {
  audit: 'audit log',
  backwardChaining: 'backward chaining',
  baseline: 'baselines',
  hotReload: 'hot reload',
  metrics: 'metrics endpoint',
  opentelemetry: 'OpenTelemetry',
  timerPersistence: 'durable timers',
  tracing: 'tracing',
  versioning: 'versions of rules to go back to'
}

/** Returns whether an option switches off a feature that this engine does not have. */
function isSwitchedOff (name: string, value: unknown): boolean {
  if (!Object.hasOwn(MISSING_FEATURES, name)) return false
  return value === false || (isRecord(value) && value['enabled'] === false)
}

function refusalOf (name: string): string {
  const feature = Object.hasOwn(MISSING_FEATURES, name) ? MISSING_FEATURES[name] : undefined
  if (feature !== undefined) return `is refused: this rule engine has no ${feature}`
  return `is unknown; a rule engine has ${Object.keys(CHECKS).join(', ')}`
}

function withoutUndefined<T extends object> (object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

/** The place of a failure. */
export interface ErrorContext {
  ruleId?: string
  /** The type of the action. */
  action?: string
  topic?: string
}

/** Called with a failure and its place. */
export type ErrorListener = (error: Error, context: ErrorContext) => void
