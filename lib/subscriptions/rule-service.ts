import { override } from '../rules/override.js'
import { EngineCalls, type EngineCallsOptions } from '../rules/engine-calls.js'
import { EventChannels, hidesRecord, type EventVisibility } from './event-channels.js'
import type { RuleEngine, RuleSummary } from '../rules/rule-engine.js'
import { notAvailable, toRuleError } from '../rules/rule-errors.js'

/**
 * The rule engine as clients use it. The application owns the engine, which is neither started nor stopped
 * here. Until `stop`, the engine rejects events with records of system buckets, as the bridge of a store
 * emits them: rules that clients register could store or publish them.
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
    // An engine of another package may take more arguments.
    this.#restoreEmit = override(engine, 'emit', emit => async (topic, data, ...others: unknown[]) => {
      if (hidesRecord(data, visibility)) {
        throw new Error('events with records of system buckets are not for rules')
      }
      return await Reflect.apply(emit, undefined, [topic, data, ...others])
    })
  }

  /** The calls that change something. @throws `RULES_NOT_AVAILABLE` when the engine is stopped */
  get calls (): EngineCalls {
    this.ensureRunning()
    return this.#calls
  }

  /** The calls that only read, which a stopped engine answers too. */
  get reads (): EngineCalls {
    return this.#calls
  }

  /** The channels of its events. @throws `RULES_NOT_AVAILABLE` when the engine is stopped */
  get channels (): EventChannels {
    this.ensureRunning()
    return this.#channels
  }

  /** The number of distinct event channels. */
  get channelCount (): number {
    return this.#channels.size
  }

  /**
   * Returns the topics, facts and timers that trigger rules, as far as the engine shows them. Rejects when
   * the engine does not answer.
   */
  async triggers (): Promise<string[]> {
    const rules: ReadonlyArray<RuleSummary & { readonly trigger?: unknown }> =
      await this.#calls.call('getRules')
    return rules.flatMap(({ trigger }) => {
      const { topic, pattern } = (trigger ?? {}) as { readonly topic?: unknown, readonly pattern?: unknown }
      return [topic, pattern].filter(text => typeof text === 'string')
    })
  }

  /** Returns the statistics of the engine; `null` when it fails or they are no JSON. Never rejects. */
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

  /** Ends the event channels, and restores the engine's own `emit`. */
  stop (): void {
    this.#channels.stop()
    this.#restoreEmit()
  }

  /** @throws `RULES_NOT_AVAILABLE` when the engine is stopped */
  ensureRunning (): void {
    let isRunning: unknown
    try {
      isRunning = this.#engine.isRunning
    } catch (error) {
      throw toRuleError(error, 'isRunning')
    }
    // Any other value than `true`, a promise for instance, counts as stopped.
    if (isRunning !== true) throw notAvailable()
  }
}
