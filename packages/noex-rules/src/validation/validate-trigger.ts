import { compileKeyPattern } from '../patterns/key-pattern.js'
import { compileTopicPattern } from '../patterns/topic-pattern.js'
import { TRIGGER_TYPES } from '../rule.js'
import { isRecord } from '../util/record.js'
import type { Issues } from './issues.js'
import { validateTemporal } from './validate-temporal.js'
import { validateOneOf, validatePattern } from './validate-text.js'

/** Checks the trigger of a rule. */
export function validateTrigger (issues: Issues, path: string, trigger: unknown): void {
  if (trigger === undefined) return issues.error(path, 'is missing')
  if (!isRecord(trigger)) return issues.error(path, 'must be an object')

  const { type } = trigger
  if (!validateOneOf(issues, `${path}.type`, type, TRIGGER_TYPES)) return
  switch (type) {
    case 'event': return validatePattern(issues, `${path}.topic`, trigger['topic'], compileTopicPattern)
    case 'fact': return validatePattern(issues, `${path}.pattern`, trigger['pattern'], compileKeyPattern)
    case 'timer': return validatePattern(issues, `${path}.name`, trigger['name'], compileKeyPattern)
    case 'temporal': return validateTemporal(issues, `${path}.pattern`, trigger['pattern'])
  }
}
