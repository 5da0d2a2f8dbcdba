import { catchRejection, isThenable } from '../application/thenable.js'
import type { Log } from '../util/log.js'
import type { RuleEngine, RuleEvent } from './rule-engine.js'
import { toRuleError } from './rule-errors.js'

/**
 * Listens to all events of a rule engine of any origin. Neither what the engine passes to its listener nor
 * how it subscribes and unsubscribes can do harm: events of a subscription that has ended, or could not be
 * begun, are dropped.
 */
export class EngineListener {
  readonly #engine: RuleEngine
  readonly #log: Log
  readonly #onEvent: (event: RuleEvent) => void
  /** Stands for the subscription whose events count. */
  #current: { readonly end: () => unknown } | undefined
  #hasToldOfEvent = false

  constructor (engine: RuleEngine, log: Log, onEvent: (event: RuleEvent) => void) {
    this.#engine = engine
    this.#log = log
    this.#onEvent = onEvent
  }

  /**
   * Subscribes, unless that is done. Throws what the engine fails with, and where it does not return what
   * ends it.
   */
  start (): void {
    if (this.#current !== undefined) return
    let isHeard = true
    let end: unknown
    try {
      end = this.#engine.subscribe('*', event => { if (isHeard) this.#hear(event) }, { detached: true })
      if (typeof end !== 'function') {
        this.#endLate(end)
        throw new TypeError('it must return a function')
      }
    } catch (error) {
      isHeard = false
      throw toRuleError(error, 'subscribe')
    }
    const unsubscribe = end as () => unknown
    this.#current = {
      end () {
        isHeard = false
        return unsubscribe()
      }
    }
  }

  /** Unsubscribes. Failures are logged. */
  stop (): void {
    const current = this.#current
    this.#current = undefined
    try {
      this.#ignoreOutcome(current?.end(), 'unsubscribe')
    } catch (error) {
      this.#fail(error, 'unsubscribe')
    }
  }

  #hear (event: RuleEvent): void {
    try {
      if (typeof event.topic !== 'string') throw new TypeError('it has no topic')
      this.#onEvent(event)
    } catch (error) {
      if (this.#hasToldOfEvent) return
      this.#hasToldOfEvent = true
      const err = toRuleError(error, 'subscribe')
      this.#log.error({ err }, 'a rule event could not be passed on; further ones are not told of')
    }
  }

  /** Ends a subscription that is refused because the engine has answered with a promise of it. */
  #endLate (subscribing: unknown): void {
    if (!isThenable(subscribing)) return
    const end = (late: unknown): unknown => typeof late === 'function' ? (late as () => unknown)() : undefined
    this.#ignoreOutcome(Promise.resolve(subscribing).then(end), 'subscribe')
  }

  /** Logs the failure of what should not have returned a promise. */
  #ignoreOutcome (returned: unknown, method: string): void {
    catchRejection(returned, error => { this.#fail(error, method) })
  }

  #fail (error: unknown, method: string): void {
    this.#log.error({ err: toRuleError(error, method) }, 'the rule engine has failed')
  }
}
