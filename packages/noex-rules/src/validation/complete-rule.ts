import { RuleValidationError } from '../errors.js'
import type { Rule, RuleInput } from '../rule.js'
import { Issues } from './issues.js'
import { takeSnapshot } from './snapshot.js'

/** A rule without the properties that the engine sets. */
type CompleteRule = Omit<Rule, 'version' | 'createdAt' | 'updatedAt'>

/** The properties that are read from a given rule; others are ignored. */
export const RULE_PROPERTIES = [
  'id', 'name', 'description', 'priority', 'enabled', 'tags', 'group', 'trigger', 'conditions', 'actions',
  'lookups'
] as const satisfies ReadonlyArray<keyof RuleInput>

const DEFAULTS = Object.freeze({
  priority: 0,
  enabled: true,
  tags: Object.freeze([]),
  conditions: Object.freeze([]),
  actions: Object.freeze([])
})

/**
 * Copies a rule and fills in its defaults. The copy is deeply frozen and shares nothing with the original.
 * Throws `RuleValidationError` for anything but JSON; nothing else is checked.
 */
export function completeRule (input: RuleInput): CompleteRule {
  const issues = new Issues()
  const snapshot = takeSnapshot(input, RULE_PROPERTIES, issues)
  if (issues.hasErrors) throw new RuleValidationError('The rule is not valid', issues.toResult().errors)
  return Object.freeze({ ...DEFAULTS, ...snapshot }) as unknown as CompleteRule
}
