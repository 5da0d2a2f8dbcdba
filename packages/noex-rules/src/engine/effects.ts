import { LimitError } from '../errors.js'
import type { EventFactory } from '../state/event-factory.js'
import { type FactStore, isChange } from '../state/fact-store.js'
import type { FailureReporter } from '../state/failure-reporter.js'
import type { Counters } from '../state/stats.js'
import type { Timers } from '../state/timers.js'
import type { Logger } from '../util/logger.js'
import type { ActionEffects, RuleRun } from './action-runner.js'
import type { Services } from './services.js'
import type { TriggerProcessor } from './trigger-processor.js'
import { assertValueSize } from './value-size.js'

/** The parts of an engine that actions of rules use. */
interface EffectDependencies {
  readonly events: EventFactory
  readonly facts: FactStore
  readonly timers: Timers
  readonly services: Services
  readonly counters: Counters
  readonly reporter: FailureReporter
  readonly maxActionsPerChain: number
  /** A getter, because the processor is created later: it runs the rules that have these effects. */
  readonly processor: () => TriggerProcessor
}

/** Creates the effects of actions on an engine. */
export function createEffects (parts: EffectDependencies): ActionEffects {
  const { events, facts, timers, services, counters, reporter, maxActionsPerChain, processor } = parts
  return {
    setFact (key, value, { chain, level, cause }) {
      assertValueSize(value)
      const change = facts.set(key, value, 'rule')
      return isChange(change) ? processor().processFact(change, cause, chain, level) : undefined
    },

    deleteFact (key) {
      facts.delete(key)
    },

    emit (topic, data, { chain, level, cause }) {
      assertValueSize(data)
      return processor().processEvent(events.create(topic, data, 'rule', cause), chain, level)
    },

    setTimer (config) {
      assertValueSize(config.onExpire.data)
      timers.set(config)
    },

    cancelTimer (name) {
      timers.cancel(name)
    },

    async callService (service, method, args, run) {
      const call = services.find(service, method)
      const given = args(run.scope)
      await services.callInContext(
        run.chain,
        run.level,
        context => services.call(call, given, context),
        error => { reportActionFailure(error, 'call_service', run) }
      )
    },

    log (level: keyof Logger, message, { rule }) {
      reporter.logRuleMessage(level, message, rule.id)
    },

    onActionFailed: reportActionFailure,

    onActionsExhausted (run) {
      counters.chainsDropped++
      reporter.reportFailure(
        new LimitError('maxActionsPerChain', maxActionsPerChain),
        { ruleId: run.rule.id },
        'a chain of rules was cut: it has too many actions'
      )
    },

    onLoopCut (error, { rule }) {
      reporter.reportFailure(
        error, { ruleId: rule.id, action: 'for_each' }, 'a loop was cut: its collection has too many members'
      )
    }
  }

  function reportActionFailure (error: unknown, action: string, run: RuleRun): void {
    counters.actionsFailed++
    const { topic } = run.scope.meta
    reporter.reportFailure(
      error,
      { ruleId: run.rule.id, action, ...topic !== undefined && { topic } },
      'an action of a rule failed'
    )
  }
}
