import { override } from '../rules/override.js'
import { EngineCalls, type EngineCallsOptions } from '../rules/engine-calls.js'
import { EventChannels, hidesRecord, type EventVisibility } from './event-channels.js'
import type { RuleEngine, RuleSummary } from '../rules/rule-engine.js'
import { notAvailable, toRuleError } from '../rules/rule-errors.js'

/**
 * The rule engine as clients reach it. The engine itself is the application's: nobody here starts or stops
 * it. As long as it is served, it takes no events that carry records of system buckets, as the bridge from a
 * store would bring them: rules that clients register could keep what is in them, and tell it to others.
 */
export class RuleService {
  readonly #engine: RuleEngine
  readonly #calls: EngineCalls
  readonly #log: EngineCallsOptions['log']
  readonly #channels: EventChannels
  readonly #restoreEmit: () => void

  constructor (engine: RuleEngine, visibility: EventVisibility, options: EngineCallsOptions) {
    this.#engine = engine
    this.#calls = new EngineCalls(engine, options)
    this.#log = options.log
    this.#channels = new EventChannels(engine, visibility, options.log)
    // An engine of another package may take more than it is given here.
    this.#restoreEmit = override(engine, 'emit', emit => async (topic, data, ...others: unknown[]) => {
      if (hidesRecord(data, visibility)) {
        throw new Error('events with records of system buckets are not for rules')
      }
      return await Reflect.apply(emit, undefined, [topic, data, ...others])
    })
  }

  /** Calls that change something. Throws `RULES_NOT_AVAILABLE` when the engine is stopped. */
  get calls (): EngineCalls {
    this.ensureRunning()
    return this.#calls
  }

  /** Calls that look at what the engine has: it still has that when it is stopped. */
  get reads (): EngineCalls {
    return this.#calls
  }

  /** Who hears its events. Throws `RULES_NOT_AVAILABLE` when it is stopped. */
  get channels (): EventChannels {
    this.ensureRunning()
    return this.#channels
  }

  /** Distinct patterns that clients hear. */
  get channelCount (): number {
    return this.#channels.size
  }

  /**
   * Resolves with the topics, facts and timers by which rules are triggered, as far as the engine shows them.
   * Rejects when it has no answer.
   */
  async triggers (): Promise<string[]> {
    const rules: ReadonlyArray<RuleSummary & { readonly trigger?: unknown }> =
      await this.#calls.call('getRules')
    return rules.flatMap(({ trigger }) => {
      const { topic, pattern } = (trigger ?? {}) as { readonly topic?: unknown, readonly pattern?: unknown }
      return [topic, pattern].filter(text => typeof text === 'string')
    })
  }

  /**
   * Resolves with what the engine tells of itself; with `null` when it fails, or that is no JSON. Never
   * rejects.
   */
  async stats (): Promise<object | null> {
    try {
      const stats = await this.#calls.call('getStats')
      JSON.stringify(stats)
      return stats
    } catch (error) {
      this.#log.warn({ err: error }, 'the rule engine has no statistics')
      return null
    }
  }

  /** Hears nothing any more, and gives the engine its own `emit` back. */
  stop (): void {
    this.#channels.stop()
    this.#restoreEmit()
  }

  /** Throws `RULES_NOT_AVAILABLE` when the engine is stopped. */
  ensureRunning (): void {
    let isRunning: unknown
    try {
      isRunning = this.#engine.isRunning
    } catch (error) {
      throw toRuleError(error, 'isRunning')
    }
    // Anything but `true`, a promise for instance, does not say that it is running.
    if (isRunning !== true) throw notAvailable()
  }
}
