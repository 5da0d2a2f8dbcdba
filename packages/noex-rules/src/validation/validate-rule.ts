import { isRecord } from '../util/record.js'
import { indexPath, type Issues } from './issues.js'
import { validateActions } from './validate-actions.js'
import { validateConditions } from './validate-conditions.js'
import { validateLookups } from './validate-lookups.js'
import { validateNumber, validateOptionalBoolean } from './validate-number.js'
import { MAX_TEXT_LENGTH, validateString, validateText } from './validate-text.js'
import { validateTrigger } from './validate-trigger.js'
import { MAX_ACTIONS, MAX_CONDITIONS, MAX_EXPRESSIONS, type ValidationRun } from './validation-run.js'

/**
 * Tags of a rule.
 * @limit `VALIDATION_ERROR`
 */
const MAX_TAGS = 32

/** Checks the snapshot of a rule, which is plain data. */
export function validateRule (
  issues: Issues,
  rule: Readonly<Record<string, unknown>>,
  allowsExpressions: boolean
): void {
  const run: ValidationRun = {
    issues,
    allowsExpressions,
    actionsLeft: MAX_ACTIONS,
    conditionsLeft: MAX_CONDITIONS,
    expressionsLeft: MAX_EXPRESSIONS
  }

  validateText(issues, 'id', rule['id'])
  validateText(issues, 'name', rule['name'])
  validateMetadata(issues, rule)
  validateTrigger(issues, 'trigger', rule['trigger'])
  if (rule['conditions'] !== undefined) validateConditions(run, 'conditions', rule['conditions'])
  if (rule['actions'] !== undefined) validateActions(run, 'actions', rule['actions'])
  if (rule['lookups'] !== undefined) validateLookups(issues, 'lookups', rule['lookups'])
  issues.warnOfUnknownNames(aliasesOf(rule['trigger']), namesOf(rule['lookups'], 'name'))
}

/** Returns the aliases that a trigger gives to events; none for an invalid trigger. */
function aliasesOf (trigger: unknown): ReadonlySet<string> {
  const pattern = isRecord(trigger) ? trigger['pattern'] : undefined
  if (!isRecord(pattern)) return new Set()
  const { events, after, expected, event } = pattern
  return namesOf([...Array.isArray(events) ? events : [], after, expected, event], 'as')
}

function namesOf (items: unknown, member: string): ReadonlySet<string> {
  if (!Array.isArray(items)) return new Set()
  const names = items.map(item => isRecord(item) ? item[member] : undefined)
  return new Set(names.filter(name => typeof name === 'string'))
}

function validateMetadata (
  issues: Issues,
  { description, priority, enabled, tags, group }: Readonly<Record<string, unknown>>
): void {
  if (description !== undefined) validateString(issues, 'description', description, MAX_TEXT_LENGTH)
  if (priority !== undefined) {
    validateNumber(issues, 'priority', priority)
    if (typeof priority === 'number' && Number.isFinite(priority) && !Number.isInteger(priority)) {
      issues.warning('priority', 'is no whole number')
    }
  }
  validateOptionalBoolean(issues, 'enabled', enabled)
  if (tags !== undefined) validateTags(issues, 'tags', tags)
  if (group !== undefined) validateText(issues, 'group', group)
}

function validateTags (issues: Issues, path: string, tags: unknown): void {
  if (!Array.isArray(tags)) return issues.error(path, 'must be an array')
  if (tags.length > MAX_TAGS) return issues.error(path, `must have at most ${MAX_TAGS} tags`)
  for (const [index, tag] of tags.entries()) validateText(issues, indexPath(path, index), tag)
}
