import type { Chain, ChainLimits } from './chain.js'
import type { Chains } from './chain-scheduler.js'
import { EngineBusyError, LimitError } from '../errors.js'
import type { Event } from '../event.js'
import type { Events } from '../state/event-factory.js'
import type { Fact } from '../fact.js'
import type { FactBase } from '../state/fact-store.js'
import type { Frame } from './call-context.js'
import { NO_CAUSE } from '../state/occurrence.js'
import type { Processor } from './trigger-processor.js'
import type { Reporter } from '../state/reporter.js'
import type { RuleBase } from '../state/rule-registry.js'
import type { Counters } from '../state/stats.js'
import type { Firing } from '../temporal/temporal-rules.js'
import type { Expiry } from '../state/timers.js'

/** What triggers work with. */
export interface TriggerParts {
  readonly chains: Chains
  readonly processor: Processor
  readonly events: Events
  readonly facts: FactBase
  readonly rules: RuleBase
  readonly counters: Counters
  readonly reporter: Reporter
  readonly limits: ChainLimits
}

type Process = (chain: Chain, level: number) => Promise<void> | undefined

/** Where triggers come in: those of the application, of timers, and of time itself. */
export class Triggers {
  readonly #parts: TriggerParts

  constructor (parts: TriggerParts) {
    this.#parts = parts
  }

  /** Processes an event. Resolves when all that follows is done; at once when nobody hears of it. Rejects with `EngineBusyError`. */
  async event (event: Event): Promise<Event> {
    const { processor, counters } = this.#parts
    if (processor.isHeard(event.topic)) {
      await this.#enter((chain, level) => processor.event(event, chain, level))
    } else {
      counters.eventsProcessed++
    }
    return event
  }

  /** Sets a fact, now, and processes it as `event` does an event. When it rejects with `EngineBusyError` or `LimitError`, the fact is not set. */
  async fact (key: string, value: unknown): Promise<Fact> {
    const { facts, rules, processor } = this.#parts
    const isWatched = rules.triggeredBy('fact', key).length > 0
    if (isWatched) this.#assertRoom()
    const change = facts.set(key, value, 'api')
    if (isWatched) await this.#enter((chain, level) => processor.fact(change, NO_CAUSE, chain, level))
    return change.fact
  }

  /** Processes a timer. It waits for its turn, whether there is room or not: no timer waits twice. */
  timer (expiry: Expiry): void {
    const { processor, events } = this.#parts
    this.#push(async chain => {
      const timer = expiry.begin()
      if (timer === undefined) return
      const { onExpire: { topic, data }, correlationId, id } = timer
      try {
        await processor.timer(timer, events.create(topic, data, 'timer', { correlationId, causationId: id }), chain)
      } finally {
        expiry.end()
      }
    })
  }

  /** Processes temporal patterns that come true as time goes by: each a trigger of its own. */
  due (expire: () => Firing[]): void {
    const { processor } = this.#parts
    this.#push(() => {
      for (const firing of expire()) this.#push(chain => processor.firing(firing, chain))
      return undefined
    })
  }

  #push (begin: (chain: Chain) => Promise<void> | undefined): void {
    const { chains } = this.#parts
    chains.queue.push(chains.task(begin, () => {}, () => {}))
  }

  /** Processes something in the chain that the caller is part of, or else in one of its own, when its turn has come. */
  #enter (process: Process): Promise<void> {
    const { chains } = this.#parts
    const { frame } = chains
    if (frame !== undefined) return this.#enterChain(frame, process)
    this.#assertRoom()
    return new Promise((resolve, reject) => {
      chains.queue.push(chains.task(chain => process(chain, 0), resolve, reject))
    })
  }

  async #enterChain (frame: Frame, process: Process): Promise<void> {
    const { chain, level } = frame
    if (!chain.allowsEventsAt(level)) return this.#cut(chain, 'maxForwardDepth')
    const spent = chain.spend()
    if (spent === 'last') return this.#cut(chain, 'maxActionsPerChain')
    if (spent === 'taken') await frame.take(() => this.#processSafely(process, chain, level))
  }

  async #processSafely (process: Process, chain: Chain, level: number): Promise<void> {
    try {
      await process(chain, level)
    } catch (error) {
      this.#parts.reporter.fail(error, {}, 'what a service or subscriber sent could not be processed')
    }
  }

  #cut (chain: Chain, limit: 'maxForwardDepth' | 'maxActionsPerChain'): void {
    const { counters, reporter, limits } = this.#parts
    counters.chainsDropped++
    if (chain.noteCut('')) reporter.fail(new LimitError(limit, limits[limit]), {}, 'what a service or subscriber sent was dropped')
  }

  #assertRoom (): void {
    const { chains, counters } = this.#parts
    if (chains.frame !== undefined || !chains.queue.isFull) return
    counters.queueDropped++
    throw new EngineBusyError(chains.queue.max)
  }
}
