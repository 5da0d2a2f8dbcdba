import { catchRejection, isThenable } from '../application/thenable.js'
import type { Log } from '../util/log.js'
import type { RuleEngine, RuleEvent } from './rule-engine.js'
import { toRuleError } from './rule-errors.js'

/**
 * Listens to all events of a rule engine of any package. Faulty events and failures to subscribe or
 * unsubscribe are logged; events of a subscription that has ended, or could not begin, are dropped.
 */
export class EngineListener {
  readonly #engine: RuleEngine
  readonly #log: Log
  readonly #onEvent: (event: RuleEvent) => void
  /** The current subscription; events of others are dropped. */
  #current: { readonly end: () => unknown } | undefined
  #hasLoggedEvent = false

  constructor (engine: RuleEngine, log: Log, onEvent: (event: RuleEvent) => void) {
    this.#engine = engine
    this.#log = log
    this.#onEvent = onEvent
  }

  /**
   * Subscribes, unless there is a subscription.
   * @throws the error of the engine, or one that says that it has not returned a function to unsubscribe
   */
  start (): void {
    if (this.#current !== undefined) return
    let isCurrent = true
    let end: unknown
    try {
      end = this.#engine.subscribe('*', event => { if (isCurrent) this.#receive(event) }, { detached: true })
      if (typeof end !== 'function') {
        this.#endLate(end)
        throw new TypeError('it must return a function')
      }
    } catch (error) {
      isCurrent = false
      throw toRuleError(error, 'subscribe')
    }
    const unsubscribe = end as () => unknown
    this.#current = {
      end () {
        isCurrent = false
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

  #receive (event: RuleEvent): void {
    try {
      if (typeof event.topic !== 'string') throw new TypeError('it has no topic')
      this.#onEvent(event)
    } catch (error) {
      if (this.#hasLoggedEvent) return
      this.#hasLoggedEvent = true
      const err = toRuleError(error, 'subscribe')
      this.#log.error({ err }, 'a rule event could not be passed on; further such events are not logged')
    }
  }

  /** Ends a subscription for which the engine has returned a promise, and which is refused. */
  #endLate (subscribing: unknown): void {
    if (!isThenable(subscribing)) return
    const end = (late: unknown): unknown => typeof late === 'function' ? (late as () => unknown)() : undefined
    this.#ignoreOutcome(Promise.resolve(subscribing).then(end), 'subscribe')
  }

  /** Logs the rejection of a method that should not have returned a promise. */
  #ignoreOutcome (returned: unknown, method: string): void {
    catchRejection(returned, error => { this.#fail(error, method) })
  }

  #fail (error: unknown, method: string): void {
    this.#log.error({ err: toRuleError(error, method) }, 'the rule engine has failed')
  }
}
