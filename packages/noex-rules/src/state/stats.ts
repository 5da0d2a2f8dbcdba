/** How an engine is doing. Counts are since its start, sizes are of now. */
export interface EngineStats {
  /** Rules registered, enabled or not. */
  rulesCount: number
  factsCount: number
  /** Timers that run. */
  timersCount: number
  /** Events of all sources. */
  eventsProcessed: number
  /** How often the conditions of a rule held and its actions were run, whether they failed or not. */
  rulesExecuted: number
  /** Milliseconds from the first to the last action of a rule that was executed; 0 when there was none. */
  avgProcessingTimeMs: number
  /** There is no tracing: always off and empty. */
  tracing: { enabled: boolean, entriesCount: number, maxEntries: number }
  subscriptionsCount: number
  /** Triggers that wait for their turn. */
  queueLength: number
  /** Actions that failed outside the `try` of a `catch`. */
  actionsFailed: number
  /** Rules not run because a condition, or a lookup that may not fail, could not be resolved. */
  conditionsFailed: number
  /** Comparisons of conditions, other than `exists` and `not_exists`, with a field or fact that was not there. */
  conditionsMissing: number
  /** How often a chain was cut: deeper than `maxForwardDepth`, or longer than `maxActionsPerChain`. */
  chainsDropped: number
  /** Triggers refused because `maxQueue` waited, and triggers that waited when the engine stopped. */
  queueDropped: number
  /** Calls of services and lookups that did not answer in time. */
  servicesTimedOut: number
  /** What is remembered for temporal triggers. */
  temporalInstances: number
  /** What had to be forgotten of it before its time. */
  temporalDropped: number
  /** The last failure. */
  lastError?: LastError
}

/** A failure, as far as statistics tell of it. */
export interface LastError {
  /** Epoch milliseconds. */
  at: number
  ruleId?: string
  message: string
}

/** What an engine counts. */
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

/** What an engine holds. */
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

/** The statistics of an engine, a copy. */
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
