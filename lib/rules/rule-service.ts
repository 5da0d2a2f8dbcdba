import { NoexServerError } from '../errors.js'
import type { Log } from '../log.js'
import { override } from '../store/override.js'
import { EventFeeds, hidesRecord, type HearingRules } from './event-feeds.js'
import type { RuleEngine } from './rule-engine.js'

/**
 * The rule engine as clients reach it. The engine itself is the application's: nobody here starts or stops it. As long as
 * it is served, it takes no events that carry records of system buckets, as the bridge from a store would bring them: rules
 * that clients register could keep what is in them, and tell it to others.
 */
export class RuleService {
  readonly #engine: RuleEngine
  readonly #feeds: EventFeeds
  readonly #giveBack: () => void

  constructor (engine: RuleEngine, hearing: HearingRules, log: Log) {
    this.#engine = engine
    this.#feeds = new EventFeeds(engine, hearing, log)
    this.#giveBack = override(engine, 'emit', emit => async (topic, data) => {
      if (hidesRecord(data, hearing)) throw new Error('events with records of system buckets are not for rules')
      return await emit(topic, data)
    })
  }

  /** The engine, to change something. Throws `RULES_NOT_AVAILABLE` when it is stopped. */
  get engine (): RuleEngine {
    this.ensureRunning()
    return this.#engine
  }

  /** The engine, to look at what it has: it still has that when it is stopped. */
  get readable (): RuleEngine {
    return this.#engine
  }

  /** Who hears its events. Throws `RULES_NOT_AVAILABLE` when it is stopped. */
  get feeds (): EventFeeds {
    this.ensureRunning()
    return this.#feeds
  }

  /** Distinct patterns that clients hear. */
  get feedCount (): number {
    return this.#feeds.size
  }

  /** The topics, facts and timers by which rules are triggered, as far as the engine shows them. */
  triggers (): string[] {
    return this.#engine.getRules().flatMap(rule => {
      const { topic, pattern } =
        (rule as { readonly trigger?: { readonly topic?: unknown; readonly pattern?: unknown } }).trigger ??
        {}
      return [topic, pattern].filter(text => typeof text === 'string')
    })
  }

  /** What the engine tells of itself; `null` when it cannot. */
  stats (): object | null {
    try {
      return this.#engine.getStats()
    } catch {
      return null
    }
  }

  /** Hears nothing any more, and gives the engine its own `emit` back. */
  stop (): void {
    this.#feeds.stop()
    this.#giveBack()
  }

  /** Throws `RULES_NOT_AVAILABLE` when the engine is stopped. */
  ensureRunning (): void {
    if (!this.#engine.isRunning) throw notAvailable()
  }
}

type EngineError = Error & { readonly issues?: unknown, readonly details?: unknown }

/**
 * How the errors of a rule engine are answered, by name, so that an engine from another copy of the package is served alike.
 */
const engineErrors: Readonly<Record<string, (error: EngineError) => NoexServerError>> = {
  RuleValidationError: error => new NoexServerError('VALIDATION_ERROR', 'The rule is not valid', error.details ?? error.issues),
  PatternError: error => new NoexServerError('VALIDATION_ERROR', `The pattern is not valid: ${error.message}`),
  RuleNotFoundError: () => new NoexServerError('NOT_FOUND', 'The rule does not exist'),
  LimitError: error => new NoexServerError('RATE_LIMITED', 'The rule engine has no room for more', error.details),
  EngineBusyError: () => new NoexServerError('RATE_LIMITED', 'The rule engine has too much to do', { retryAfterMs: RETRY_AFTER_MS })
}

const RETRY_AFTER_MS = 1_000

/** Translates what a rule engine throws. What the client must not learn stays as it is. */
export function toRuleError (error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const translate = Object.hasOwn(engineErrors, error.name) ? engineErrors[error.name] : undefined
  if (translate !== undefined) return translate(error)
  // The engine has one message for this, and no class that all copies share.
  return error.message.includes('is not running') ? notAvailable() : error
}

function notAvailable (): NoexServerError {
  return new NoexServerError('RULES_NOT_AVAILABLE', 'The rule engine is stopped')
}
