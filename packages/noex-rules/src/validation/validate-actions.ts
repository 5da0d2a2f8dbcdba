import { ACTION_TYPES } from '../action.js'
import { isReference } from '../expressions/value.js'
import { isRecord } from '../util/record.js'
import { indexPath } from './issues.js'
import { validateConditions } from './validate-conditions.js'
import { validateOptionalCount } from './validate-number.js'
import { validateSimpleAction } from './validate-simple-action.js'
import { validateOneOf, validateVariable } from './validate-text.js'
import { validateValue } from './validate-value.js'
import { MAX_ACTION_DEPTH, MAX_ACTIONS, type ValidationRun } from './validation-run.js'

/** The severity of an empty list of actions. */
type WhenEmpty = 'warning' | 'error'

/** An action that has lists of actions. */
interface NestingAction {
  readonly run: ValidationRun
  readonly path: string
  readonly action: Record<string, unknown>
  readonly depth: number
}

/** Checks the actions of a rule, and those within them; an empty list is a warning. */
export function validateActions (run: ValidationRun, path: string, actions: unknown): void {
  validateList(run, path, actions, 1, 'warning')
}

function validateList (
  run: ValidationRun,
  path: string,
  actions: unknown,
  depth: number,
  whenEmpty: WhenEmpty
): void {
  const { issues } = run
  if (actions === undefined) return issues.error(path, 'is missing')
  if (!Array.isArray(actions)) return issues.error(path, 'must be an array')
  if (actions.length === 0) {
    return issues[whenEmpty](path, whenEmpty === 'error' ? 'must not be empty' : 'is empty')
  }
  if (depth > MAX_ACTION_DEPTH) {
    return issues.error(path, `is nested more than ${MAX_ACTION_DEPTH} levels deep`)
  }

  run.actionsLeft -= actions.length
  if (run.actionsLeft < 0) return issues.error(path, `makes more than ${MAX_ACTIONS} actions in the rule`)
  for (const [index, action] of actions.entries()) validateAction(run, indexPath(path, index), action, depth)
}

function validateAction (run: ValidationRun, path: string, action: unknown, depth: number): void {
  const { issues } = run
  if (!isRecord(action)) return issues.error(path, 'must be an object')

  const { type } = action
  if (!validateOneOf(issues, `${path}.type`, type, ACTION_TYPES)) return
  switch (type) {
    case 'conditional': return validateConditional({ run, path, action, depth })
    case 'for_each': return validateForEach({ run, path, action, depth })
    case 'try_catch': return validateTryCatch({ run, path, action, depth })
    default: return validateSimpleAction(issues, path, type, action)
  }
}

function validateConditional ({ run, path, action, depth }: NestingAction): void {
  const { issues } = run
  const { conditions } = action
  if (conditions === undefined) {
    issues.error(`${path}.conditions`, 'is missing')
  } else if (Array.isArray(conditions) && conditions.length === 0) {
    issues.error(`${path}.conditions`, 'must not be empty')
  } else {
    validateConditions(run, `${path}.conditions`, conditions)
  }

  validateList(run, `${path}.then`, action['then'], depth + 1, 'error')
  if (action['else'] !== undefined) validateList(run, `${path}.else`, action['else'], depth + 1, 'warning')
}

function validateForEach ({ run, path, action, depth }: NestingAction): void {
  const { issues } = run
  const { collection } = action
  if (collection === undefined || Array.isArray(collection) || isReference(collection)) {
    validateValue(issues, `${path}.collection`, collection)
  } else {
    issues.error(`${path}.collection`, 'must be an array or a reference')
  }
  validateVariable(issues, `${path}.as`, action['as'])
  validateOptionalCount(issues, `${path}.maxIterations`, action['maxIterations'])
  validateList(run, `${path}.actions`, action['actions'], depth + 1, 'warning')
}

function validateTryCatch ({ run, path, action, depth }: NestingAction): void {
  const { issues } = run
  validateList(run, `${path}.try`, action['try'], depth + 1, 'error')
  if (action['catch'] === undefined && action['finally'] === undefined) {
    issues.error(path, 'must have catch or finally')
  }
  if (action['catch'] !== undefined) validateCatch(run, `${path}.catch`, action['catch'], depth)
  if (action['finally'] !== undefined) {
    validateList(run, `${path}.finally`, action['finally'], depth + 1, 'warning')
  }
}

function validateCatch (run: ValidationRun, path: string, handler: unknown, depth: number): void {
  const { issues } = run
  if (!isRecord(handler)) return issues.error(path, 'must be an object')
  if (handler['as'] !== undefined) validateVariable(issues, `${path}.as`, handler['as'])
  validateList(run, `${path}.actions`, handler['actions'], depth + 1, 'error')
}
