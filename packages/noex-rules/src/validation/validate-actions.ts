import { ACTION_TYPES } from '../action.js'
import { isRecord } from '../util/record.js'
import { isReference } from '../expressions/value.js'
import { type Inspection, MAX_ACTION_DEPTH, MAX_ACTIONS } from './validation-run.js'
import { indexPath } from './issues.js'
import { validateConditions } from './validate-conditions.js'
import { validateOptionalCount } from './validate-number.js'
import { validateSimpleAction } from './validate-simple-action.js'
import { validateOneOf, validateVariable } from './validate-text.js'
import { validateValue } from './validate-value.js'

/** What a list of actions without any is. */
type WhenEmpty = 'warning' | 'error'

/** Checks the actions of a rule, and those within them; none is a warning. */
export function validateActions (inspection: Inspection, path: string, actions: unknown): void {
  validateList(inspection, path, actions, 1, 'warning')
}

function validateList (inspection: Inspection, path: string, actions: unknown, depth: number, whenEmpty: WhenEmpty): void {
  const { issues } = inspection
  if (actions === undefined) return issues.error(path, 'is missing')
  if (!Array.isArray(actions)) return issues.error(path, 'must be an array')
  if (actions.length === 0) return issues[whenEmpty](path, whenEmpty === 'error' ? 'must not be empty' : 'is empty')
  if (depth > MAX_ACTION_DEPTH) return issues.error(path, `is nested more than ${MAX_ACTION_DEPTH} levels deep`)

  inspection.actionsLeft -= actions.length
  if (inspection.actionsLeft < 0) return issues.error(path, `makes more than ${MAX_ACTIONS} actions in the rule`)
  for (const [index, action] of actions.entries()) validateAction(inspection, indexPath(path, index), action, depth)
}

function validateAction (inspection: Inspection, path: string, action: unknown, depth: number): void {
  const { issues } = inspection
  if (!isRecord(action)) return issues.error(path, 'must be an object')

  const { type } = action
  if (!validateOneOf(issues, `${path}.type`, type, ACTION_TYPES)) return
  switch (type) {
    case 'conditional': return validateConditional(inspection, path, action, depth)
    case 'for_each': return validateForEach(inspection, path, action, depth)
    case 'try_catch': return validateTryCatch(inspection, path, action, depth)
    default: return validateSimpleAction(issues, path, type, action)
  }
}

function validateConditional (inspection: Inspection, path: string, action: Record<string, unknown>, depth: number): void {
  const { issues } = inspection
  const { conditions } = action
  if (conditions === undefined) issues.error(`${path}.conditions`, 'is missing')
  else if (Array.isArray(conditions) && conditions.length === 0) issues.error(`${path}.conditions`, 'must not be empty')
  else validateConditions(inspection, `${path}.conditions`, conditions)

  validateList(inspection, `${path}.then`, action['then'], depth + 1, 'error')
  if (action['else'] !== undefined) validateList(inspection, `${path}.else`, action['else'], depth + 1, 'warning')
}

function validateForEach (inspection: Inspection, path: string, action: Record<string, unknown>, depth: number): void {
  const { issues } = inspection
  const { collection } = action
  if (collection === undefined || Array.isArray(collection) || isReference(collection)) {
    validateValue(issues, `${path}.collection`, collection)
  } else {
    issues.error(`${path}.collection`, 'must be an array or a reference')
  }
  validateVariable(issues, `${path}.as`, action['as'])
  validateOptionalCount(issues, `${path}.maxIterations`, action['maxIterations'])
  validateList(inspection, `${path}.actions`, action['actions'], depth + 1, 'warning')
}

function validateTryCatch (inspection: Inspection, path: string, action: Record<string, unknown>, depth: number): void {
  const { issues } = inspection
  validateList(inspection, `${path}.try`, action['try'], depth + 1, 'error')
  if (action['catch'] === undefined && action['finally'] === undefined) issues.error(path, 'must have catch or finally')
  if (action['catch'] !== undefined) validateCatch(inspection, `${path}.catch`, action['catch'], depth)
  if (action['finally'] !== undefined) validateList(inspection, `${path}.finally`, action['finally'], depth + 1, 'warning')
}

function validateCatch (inspection: Inspection, path: string, handler: unknown, depth: number): void {
  const { issues } = inspection
  if (!isRecord(handler)) return issues.error(path, 'must be an object')
  if (handler['as'] !== undefined) validateVariable(issues, `${path}.as`, handler['as'])
  validateList(inspection, `${path}.actions`, handler['actions'], depth + 1, 'error')
}
