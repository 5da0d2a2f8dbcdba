import { LimitError } from '../errors.js'
import type { Event } from '../event.js'
import type { FactChange } from '../state/fact-store.js'
import type { FailureReporter } from '../state/failure-reporter.js'
import { type Cause, eventOccurrence, factOccurrence, timerOccurrence } from '../state/occurrence.js'
import { byPriority, type RegisteredRule, type RuleRegistry } from '../state/rule-registry.js'
import type { Counters } from '../state/stats.js'
import type { Subscriptions } from '../state/subscriptions.js'
import type { Firing, TemporalRules } from '../temporal/temporal-rules.js'
import type { Timer } from '../timer.js'
import { isThenable } from '../util/thenable.js'
import { SubscriberContext } from './call-context.js'
import type { ChainScheduler } from './chain-scheduler.js'
import type { Chain } from './chain.js'
import type { RuleRunner } from './rule-runner.js'
import type { TimeSlice } from './time-slice.js'

/** The parts of an engine that the processor uses. */
interface ProcessorDependencies {
  readonly chains: ChainScheduler
  readonly subscriptions: Subscriptions
  readonly rules: RuleRegistry
  readonly temporal: TemporalRules
  readonly runner: RuleRunner
  readonly counters: Counters
  readonly reporter: FailureReporter
  readonly timeSlice: TimeSlice
  readonly maxForwardDepth: number
  readonly now: () => number
}

/**
 * Processes a trigger: calls subscribers, then runs the rules, one after the other, each with everything that
 * follows from it.
 */
export class TriggerProcessor {
  readonly #parts: ProcessorDependencies

  constructor (parts: ProcessorDependencies) {
    this.#parts = parts
  }

  /** Returns whether an event of this topic has subscribers or rules. */
  isObserved (topic: string): boolean {
    const { subscriptions, rules, temporal } = this.#parts
    return subscriptions.has(topic) || rules.triggeredBy('event', topic).length > 0 || temporal.has(topic)
  }

  /** Processes an event of a level of a chain. Returns no promise when it is done already. */
  processEvent (event: Event, chain: Chain, level: number): Promise<void> | undefined {
    this.#parts.counters.eventsProcessed++
    this.#deliver(event, chain, level)
    const { rules, temporal } = this.#parts
    const triggered = rules.triggeredBy('event', event.topic)
    if (!chain.allowsRulesAt(level)) {
      this.#cut(triggered, chain, event.topic)
      return chain.hasDeferred ? chain.runDeferred() : undefined
    }
    const fired = temporal.has(event.topic) ? temporal.observe(event) : []
    if (triggered.length === 0 && fired.length === 0) {
      return chain.hasDeferred ? chain.runDeferred() : undefined
    }

    const occurrence = eventOccurrence(event)
    const firings = triggered.map(registered => ({ registered, occurrence }))
    if (fired.length > 0) {
      firings.push(...fired)
      firings.sort((a, b) => byPriority(a.registered, b.registered))
    }
    return this.#run(firings, chain, level + 1)
  }

  /** Processes a change of a fact. */
  processFact (change: FactChange, cause: Cause, chain: Chain, level: number): Promise<void> | undefined {
    const { key } = change.fact
    const triggered = this.#parts.rules.triggeredBy('fact', key)
    if (triggered.length === 0) return undefined
    if (!chain.allowsRulesAt(level)) {
      this.#cut(triggered, chain)
      return undefined
    }
    const occurrence = factOccurrence(change, cause)
    return this.#run(triggered.map(registered => ({ registered, occurrence })), chain, level + 1)
  }

  /** Processes a timer that fires: first its rules, then its event. */
  async processTimer (timer: Timer, event: Event, chain: Chain): Promise<void> {
    const triggered = this.#parts.rules.triggeredBy('timer', timer.name)
    const occurrence = timerOccurrence(timer, this.#parts.now())
    await this.#run(triggered.map(registered => ({ registered, occurrence })), chain, 1)
    await this.processEvent(event, chain, 0)
  }

  /** Runs a rule whose temporal pattern was fulfilled as time passed. */
  processFiring (firing: Firing, chain: Chain): Promise<void> {
    return this.#run([firing], chain, 1)
  }

  #deliver (event: Event, chain: Chain, level: number): void {
    const { subscriptions, chains } = this.#parts
    if (!subscriptions.has(event.topic)) return
    const onFailure = (error: unknown): void => { this.#handlerFailed(error, event.topic) }
    const deliver = (): void => {
      subscriptions.deliver(event, returned => {
        if (isThenable(returned)) chain.awaitHandler(returned, event.topic, onFailure)
      }, onFailure)
    }
    if (subscriptions.hasAttached(event.topic)) {
      chains.runInside(new SubscriberContext(chain, level + 1), deliver)
    } else {
      chains.runOutside(deliver)
    }
  }

  #handlerFailed (error: unknown, topic: string): void {
    this.#parts.reporter.reportFailure(error, { topic }, 'a subscriber failed')
  }

  async #run (firings: readonly Firing[], chain: Chain, level: number): Promise<void> {
    const { runner, timeSlice } = this.#parts
    // Nested levels would overflow the stack.
    if (level > 1) await undefined
    for (const { registered, occurrence } of firings) {
      if (chain.isExhausted) break
      const running = runner.run(registered, occurrence, chain, level)
      if (running !== undefined) await running
      const yielding = timeSlice.yieldIfOver()
      if (yielding !== undefined) await yielding
    }
    if (chain.hasDeferred) await chain.runDeferred()
  }

  #cut (triggered: readonly RegisteredRule[], chain: Chain, topic?: string): void {
    const { rules, counters, reporter, maxForwardDepth } = this.#parts
    const active = triggered.filter(registered => rules.isActive(registered))
    if (active.length === 0) return
    counters.chainsDropped++
    for (const { compiled: { rule } } of active) {
      if (!chain.noteCut(rule.id)) continue
      const context = { ruleId: rule.id, ...topic !== undefined && { topic } }
      reporter.reportFailure(
        new LimitError('maxForwardDepth', maxForwardDepth),
        context,
        'a rule was not run: its chain is too deep'
      )
    }
  }
}
