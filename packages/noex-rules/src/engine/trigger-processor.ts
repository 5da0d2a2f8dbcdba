import type { Chain } from './chain.js'
import type { Chains } from './chain-scheduler.js'
import { LimitError } from '../errors.js'
import type { Event } from '../event.js'
import type { FactChange } from '../state/fact-store.js'
import { HandlerFrame } from './call-context.js'
import { type Cause, eventOccurrence, factOccurrence, timerOccurrence } from '../state/occurrence.js'
import type { Pause } from './time-slice.js'
import type { Reporter } from '../state/reporter.js'
import { byPriority, type RegisteredRule, type RuleBase } from '../state/rule-registry.js'
import type { RuleRunner } from './rule-runner.js'
import type { Counters } from '../state/stats.js'
import type { Subscriptions } from '../state/subscriptions.js'
import type { Firing, TemporalRules } from '../temporal/temporal-rules.js'
import { isThenable } from '../util/thenable.js'
import type { Timer } from '../timer.js'

/** What the processing of triggers needs. */
export interface ProcessorParts {
  readonly chains: Chains
  readonly subscriptions: Subscriptions
  readonly rules: RuleBase
  readonly temporal: TemporalRules
  readonly runner: RuleRunner
  readonly counters: Counters
  readonly reporter: Reporter
  readonly pause: Pause
  readonly maxForwardDepth: number
  readonly now: () => number
}

/** Does what a trigger leads to: tells subscribers, then runs rules, one after the other, and all that follows from each. */
export class Processor {
  readonly #parts: ProcessorParts

  constructor (parts: ProcessorParts) {
    this.#parts = parts
  }

  /** Whether anybody can tell that an event of this topic has happened. */
  isHeard (topic: string): boolean {
    const { subscriptions, rules, temporal } = this.#parts
    return subscriptions.has(topic) || rules.triggeredBy('event', topic).length > 0 || temporal.has(topic)
  }

  /** Processes an event of a level in a chain; no promise when it is done already. */
  event (event: Event, chain: Chain, level: number): Promise<void> | undefined {
    this.#parts.counters.eventsProcessed++
    this.#deliver(event, chain, level)
    const { rules, temporal } = this.#parts
    const triggered = rules.triggeredBy('event', event.topic)
    if (!chain.allowsRulesAt(level)) {
      this.#cut(triggered, chain, event.topic)
      return chain.hasLate ? chain.runLate() : undefined
    }
    const fired = temporal.has(event.topic) ? temporal.feed(event) : []
    if (triggered.length === 0 && fired.length === 0) return chain.hasLate ? chain.runLate() : undefined

    const occurrence = eventOccurrence(event)
    const firings = triggered.map(registered => ({ registered, occurrence }))
    if (fired.length > 0) {
      firings.push(...fired)
      firings.sort((a, b) => byPriority(a.registered, b.registered))
    }
    return this.#run(firings, chain, level + 1)
  }

  /** Processes a fact that has been set. */
  fact (change: FactChange, cause: Cause, chain: Chain, level: number): Promise<void> | undefined {
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

  /** Processes a timer that fires: first the rules that wait for it, then its event. */
  async timer (timer: Timer, event: Event, chain: Chain): Promise<void> {
    const triggered = this.#parts.rules.triggeredBy('timer', timer.name)
    const occurrence = timerOccurrence(timer, this.#parts.now())
    await this.#run(triggered.map(registered => ({ registered, occurrence })), chain, 1)
    await this.event(event, chain, 0)
  }

  /** Runs a rule whose temporal pattern came true as time went by. */
  firing (firing: Firing, chain: Chain): Promise<void> {
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
    if (subscriptions.joinsChain(event.topic)) chains.inside(new HandlerFrame(chain, level + 1), deliver)
    else chains.outside(deliver)
  }

  #handlerFailed (error: unknown, topic: string): void {
    this.#parts.reporter.fail(error, { topic }, 'a subscriber failed')
  }

  async #run (firings: readonly Firing[], chain: Chain, level: number): Promise<void> {
    const { runner, pause } = this.#parts
    // Levels upon levels would fill the stack.
    if (level > 1) await undefined
    for (const { registered, occurrence } of firings) {
      if (chain.isSpent) break
      const running = runner.run(registered, occurrence, chain, level)
      if (running !== undefined) await running
      const pausing = pause.due()
      if (pausing !== undefined) await pausing
    }
    if (chain.hasLate) await chain.runLate()
  }

  #cut (triggered: readonly RegisteredRule[], chain: Chain, topic?: string): void {
    const { rules, counters, reporter, maxForwardDepth } = this.#parts
    const active = triggered.filter(registered => rules.isActive(registered))
    if (active.length === 0) return
    counters.chainsDropped++
    for (const { compiled: { rule } } of active) {
      if (!chain.noteCut(rule.id)) continue
      const context = { ruleId: rule.id, ...topic !== undefined && { topic } }
      reporter.fail(new LimitError('maxForwardDepth', maxForwardDepth), context, 'a rule was not run: its chain is too deep')
    }
  }
}
