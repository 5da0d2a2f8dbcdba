import type { Chain, ChainLimits } from './chain.js'
import type { ChainScheduler } from './chain-scheduler.js'
import { EngineBusyError, LimitError } from '../errors.js'
import type { Event } from '../event.js'
import type { EventFactory } from '../state/event-factory.js'
import type { Fact } from '../fact.js'
import type { FactStore } from '../state/fact-store.js'
import type { CallContext } from './call-context.js'
import { NO_CAUSE } from '../state/occurrence.js'
import type { TriggerProcessor } from './trigger-processor.js'
import type { FailureReporter } from '../state/reporter.js'
import type { RuleRegistry } from '../state/rule-registry.js'
import type { Counters } from '../state/stats.js'
import type { Firing } from '../temporal/temporal-rules.js'
import type { TimerExpiry } from '../state/timers.js'

/** What triggers work with. */
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

/** Where triggers come in: those of the application, of timers, and of time itself. */
export class TriggerDispatcher {
  readonly #parts: DispatcherDependencies

  constructor (parts: DispatcherDependencies) {
    this.#parts = parts
  }

  /** Processes an event. Resolves when all that follows is done; at once when nobody hears of it. Rejects with `EngineBusyError`. */
  async dispatchEvent (event: Event): Promise<Event> {
    const { processor, counters } = this.#parts
    if (processor.isObserved(event.topic)) {
      await this.#enter((chain, level) => processor.processEvent(event, chain, level))
    } else {
      counters.eventsProcessed++
    }
    return event
  }

  /** Sets a fact, now, and processes it as `event` does an event. When it rejects with `EngineBusyError` or `LimitError`, the fact is not set. */
  async dispatchFact (key: string, value: unknown): Promise<Fact> {
    const { facts, rules, processor } = this.#parts
    const isWatched = rules.triggeredBy('fact', key).length > 0
    if (isWatched) this.#assertRoom()
    const change = facts.set(key, value, 'api')
    if (isWatched) await this.#enter((chain, level) => processor.processFact(change, NO_CAUSE, chain, level))
    return change.fact
  }

  /** Processes a timer. It waits for its turn, whether there is room or not: no timer waits twice. */
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

  /** Processes temporal patterns that come true as time goes by: each a trigger of its own. */
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

  /** Processes something in the chain that the caller is part of, or else in one of its own, when its turn has come. */
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
