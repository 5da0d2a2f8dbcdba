import type { Effects, Run } from './action-runner.js'
import { LimitError } from '../errors.js'
import type { Events } from '../state/event-factory.js'
import { type FactBase, isChange } from '../state/fact-store.js'
import type { Logger } from '../util/logger.js'
import type { Processor } from './trigger-processor.js'
import type { Reporter } from '../state/reporter.js'
import type { Services } from './services.js'
import type { Counters } from '../state/stats.js'
import type { Timers } from '../state/timers.js'
import { assertWritable } from './value-size.js'

/** What the actions of rules reach. */
export interface EffectParts {
  readonly events: Events
  readonly facts: FactBase
  readonly timers: Timers
  readonly services: Services
  readonly counters: Counters
  readonly reporter: Reporter
  readonly maxActionsPerChain: number
  /** Asked for late: it runs the rules that have these effects. */
  readonly processor: () => Processor
}

/** What the actions of rules do to an engine. */
export function createEffects (parts: EffectParts): Effects {
  const { events, facts, timers, services, counters, reporter, maxActionsPerChain, processor } = parts
  return {
    setFact (key, value, { chain, level, cause }) {
      assertWritable(value)
      const change = facts.set(key, value, 'rule')
      return isChange(change) ? processor().fact(change, cause, chain, level) : undefined
    },

    deleteFact (key) {
      facts.delete(key)
    },

    emit (topic, data, { chain, level, cause }) {
      assertWritable(data)
      return processor().event(events.create(topic, data, 'rule', cause), chain, level)
    },

    setTimer (config) {
      assertWritable(config.onExpire.data)
      timers.set(config)
    },

    cancelTimer (name) {
      timers.cancel(name)
    },

    async callService (service, method, args, run) {
      const call = services.find(service, method)
      const given = args(run.scope)
      await services.visit(run.chain, run.level, frame => services.call(call, given, frame), error => { fail(error, 'call_service', run) })
    },

    log (level: keyof Logger, message, { rule }) {
      reporter.say(level, message, rule.id)
    },

    failed: fail,

    spent (run) {
      counters.chainsDropped++
      reporter.fail(new LimitError('maxActionsPerChain', maxActionsPerChain), { ruleId: run.rule.id }, 'a chain of rules was cut: it has too many actions')
    },

    loopCut (error, { rule }) {
      reporter.fail(error, { ruleId: rule.id, action: 'for_each' }, 'a loop was cut: its collection has too many members')
    }
  }

  function fail (error: unknown, action: string, run: Run): void {
    counters.actionsFailed++
    const { topic } = run.scope.meta
    reporter.fail(error, { ruleId: run.rule.id, action, ...topic !== undefined && { topic } }, 'an action of a rule failed')
  }
}
