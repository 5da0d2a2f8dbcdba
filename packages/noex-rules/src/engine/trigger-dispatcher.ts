import { EngineBusyError, LimitError } from '../errors.js'
import type { Event } from '../event.js'
import type { Fact } from '../fact.js'
import type { EventFactory } from '../state/event-factory.js'
import type { FactStore } from '../state/fact-store.js'
import type { FailureReporter } from '../state/failure-reporter.js'
import { NO_CAUSE } from '../state/occurrence.js'
import type { RuleRegistry } from '../state/rule-registry.js'
import type { Counters } from '../state/stats.js'
import type { TimerExpiry } from '../state/timers.js'
import type { Firing } from '../temporal/temporal-rules.js'
import type { CallContext } from './call-context.js'
import type { ChainScheduler } from './chain-scheduler.js'
import type { Chain, ChainLimits } from './chain.js'
import type { TriggerProcessor } from './trigger-processor.js'

/** The parts of an engine that the dispatcher uses. */
interface DispatcherDependencies {
  readonly chains: ChainScheduler
  readonly processor: TriggerProcessor
  readonly events: EventFactory
  readonly facts: FactStore
  readonly rules: RuleRegistry
  readonly counters: Counters
  readonly reporter: FailureReporter
  readonly limits: ChainLimits
}

type Process = (chain: Chain, level: number) => Promise<void> | undefined

/** Accepts triggers: of the application, of timers, and of temporal patterns. */
export class TriggerDispatcher {
  readonly #parts: DispatcherDependencies

  constructor (parts: DispatcherDependencies) {
    this.#parts = parts
  }

  /**
   * Dispatches an event. Resolves when its chain has ended; at once when the event has neither subscribers
   * nor rules. Rejects with `EngineBusyError`.
   */
  async dispatchEvent (event: Event): Promise<Event> {
    const { processor, counters } = this.#parts
    if (processor.isObserved(event.topic)) {
      await this.#enter((chain, level) => processor.processEvent(event, chain, level))
    } else {
      counters.eventsProcessed++
    }
    return event
  }

  /**
   * Sets a fact before it returns, and dispatches the change. Resolves as `dispatchEvent` does. When it
   * rejects with `EngineBusyError` or `LimitError`, the fact is not set.
   */
  async dispatchFact (key: string, value: unknown): Promise<Fact> {
    const { facts, rules, processor } = this.#parts
    const isWatched = rules.triggeredBy('fact', key).length > 0
    if (isWatched) this.#assertRoom()
    const change = facts.set(key, value, 'api')
    if (isWatched) await this.#enter((chain, level) => processor.processFact(change, NO_CAUSE, chain, level))
    return change.fact
  }

  /** Dispatches a timer, also into a full queue: a timer waits there at most once. */
  dispatchTimer (expiry: TimerExpiry): void {
    const { processor, events } = this.#parts
    this.#push(async chain => {
      const timer = expiry.begin()
      if (timer === undefined) return
      const { onExpire: { topic, data }, correlationId, id } = timer
      try {
        await processor.processTimer(
          timer, events.create(topic, data, 'timer', { correlationId, causationId: id }), chain
        )
      } finally {
        expiry.end()
      }
    })
  }

  /** Dispatches temporal patterns that are fulfilled as time passes: each is a trigger of its own. */
  dispatchDue (expire: () => Firing[]): void {
    const { processor } = this.#parts
    this.#push(() => {
      for (const firing of expire()) this.#push(chain => processor.processFiring(firing, chain))
      return undefined
    })
  }

  #push (begin: (chain: Chain) => Promise<void> | undefined): void {
    const { chains } = this.#parts
    chains.queue.push(chains.createTask(begin, () => {}, () => {}))
  }

  /** Processes a trigger in the chain of the caller, or else queues it as a chain of its own. */
  #enter (process: Process): Promise<void> {
    const { chains } = this.#parts
    const { callContext: context } = chains
    if (context !== undefined) return this.#enterChain(context, process)
    this.#assertRoom()
    return new Promise((resolve, reject) => {
      chains.queue.push(chains.createTask(chain => process(chain, 0), resolve, reject))
    })
  }

  async #enterChain (context: CallContext, process: Process): Promise<void> {
    const { chain, level } = context
    if (!chain.allowsEventsAt(level)) return this.#cut(chain, 'maxForwardDepth')
    const outcome = chain.takeAction()
    if (outcome === 'exceeded') return this.#cut(chain, 'maxActionsPerChain')
    if (outcome === 'granted') await context.run(() => this.#processSafely(process, chain, level))
  }

  async #processSafely (process: Process, chain: Chain, level: number): Promise<void> {
    try {
      await process(chain, level)
    } catch (error) {
      this.#parts.reporter.reportFailure(
        error, {}, 'what a service or subscriber sent could not be processed'
      )
    }
  }

  #cut (chain: Chain, limit: 'maxForwardDepth' | 'maxActionsPerChain'): void {
    const { counters, reporter, limits } = this.#parts
    counters.chainsDropped++
    if (chain.noteCut('')) {
      reporter.reportFailure(
        new LimitError(limit, limits[limit]), {}, 'what a service or subscriber sent was dropped'
      )
    }
  }

  #assertRoom (): void {
    const { chains, counters } = this.#parts
    if (chains.callContext !== undefined || !chains.queue.isFull) return
    counters.queueDropped++
    throw new EngineBusyError(chains.queue.max)
  }
}
