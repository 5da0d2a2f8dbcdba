/** The statistics of an engine. Counts are since its start, sizes are current. */
export interface EngineStats {
  /** Registered rules, enabled or not. */
  rulesCount: number
  factsCount: number
  /** Running timers. */
  timersCount: number
  /** Events of all sources. */
  eventsProcessed: number
  /** Runs of rules whose conditions held, with or without failures. */
  rulesExecuted: number
  /** Milliseconds from the first to the last action of a rule that was executed; 0 when there was none. */
  avgProcessingTimeMs: number
  /** Always off and empty: there is no tracing. */
  tracing: { enabled: boolean, entriesCount: number, maxEntries: number }
  subscriptionsCount: number
  /** Waiting triggers. */
  queueLength: number
  /** Failed actions that no `catch` handled. */
  actionsFailed: number
  /** Rules not run because a condition or a lookup with `onError: 'fail'` could not be resolved. */
  conditionsFailed: number
  /** Comparisons with a missing field or fact, other than `exists` and `not_exists`. */
  conditionsMissing: number
  /** Cuts of chains: deeper than `maxForwardDepth`, or longer than `maxActionsPerChain`. */
  chainsDropped: number
  /** Triggers refused because `maxQueue` waited, and triggers that waited when the engine stopped. */
  queueDropped: number
  /** Calls of services and lookups that did not answer in time. */
  servicesTimedOut: number
  /** Sequences, absences and events in windows that are held for temporal triggers. */
  temporalInstances: number
  /** Those that were dropped before their time. */
  temporalDropped: number
  /** The last failure. */
  lastError?: LastError
}

/** The last failure. */
export interface LastError {
  /** Epoch milliseconds. */
  at: number
  ruleId?: string
  message: string
}

/** The counters of an engine. */
export interface Counters {
  eventsProcessed: number
  rulesExecuted: number
  /** Milliseconds. */
  executionTime: number
  actionsFailed: number
  conditionsFailed: number
  conditionsMissing: number
  chainsDropped: number
  queueDropped: number
  servicesTimedOut: number
  temporalDropped: number
  lastError: LastError | undefined
}

/** The sizes of an engine. */
type Sizes = Pick<
  EngineStats,
  'rulesCount' | 'factsCount' | 'timersCount' | 'subscriptionsCount' | 'queueLength' | 'temporalInstances'
>

export function createCounters (): Counters {
  return {
    eventsProcessed: 0,
    rulesExecuted: 0,
    executionTime: 0,
    actionsFailed: 0,
    conditionsFailed: 0,
    conditionsMissing: 0,
    chainsDropped: 0,
    queueDropped: 0,
    servicesTimedOut: 0,
    temporalDropped: 0,
    lastError: undefined
  }
}

/** Returns a copy of the statistics of an engine. */
export function createStats (counters: Counters, sizes: Sizes): EngineStats {
  const { executionTime, lastError, eventsProcessed, rulesExecuted, ...failures } = counters
  const { rulesCount, factsCount, timersCount, ...others } = sizes
  return {
    rulesCount,
    factsCount,
    timersCount,
    eventsProcessed,
    rulesExecuted,
    avgProcessingTimeMs: rulesExecuted === 0 ? 0 : executionTime / rulesExecuted,
    tracing: { enabled: false, entriesCount: 0, maxEntries: 0 },
    ...others,
    ...failures,
    ...lastError !== undefined && { lastError: { ...lastError } }
  }
}
