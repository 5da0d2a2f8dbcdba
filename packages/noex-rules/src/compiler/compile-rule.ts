import { compileKeyPattern } from '../patterns/key-pattern.js'
import { compileTopicPattern } from '../patterns/topic-pattern.js'
import type { RuleLookup, RuleTrigger } from '../rule.js'
import { parseDuration } from '../util/duration.js'
import { compileActions, compileArguments } from './compile-action.js'
import { compileConditions } from './compile-condition.js'
import { compileTemporal } from './compile-temporal.js'
import type { CompiledLookup, CompiledTrigger, CompileRule } from './compiled-rule.js'

/**
 * Compiles a rule, and does not read it again. Throws `PatternError`, `ReferencePathError`, `RangeError` or
 * `TypeError` for a rule that validation would have refused.
 */
export const compileRule: CompileRule = rule => ({
  rule,
  trigger: compileTrigger(rule.trigger),
  lookups: (rule.lookups ?? []).map(compileLookup),
  conditions: compileConditions(rule.conditions),
  actions: compileActions(rule.actions)
})

function compileTrigger (trigger: RuleTrigger): CompiledTrigger {
  switch (trigger.type) {
    case 'event': return { type: 'event', pattern: compileTopicPattern(trigger.topic) }
    case 'fact': return { type: 'fact', pattern: compileKeyPattern(trigger.pattern) }
    case 'timer': return { type: 'timer', pattern: compileKeyPattern(trigger.name) }
    case 'temporal': return { type: 'temporal', pattern: compileTemporal(trigger.pattern) }
    default: throw new TypeError('A trigger has an unknown type')
  }
}

function compileLookup (lookup: RuleLookup): CompiledLookup {
  return {
    lookup,
    args: compileArguments(lookup.args),
    ttlMs: lookup.cache && parseDuration(lookup.cache.ttl)
  }
}
