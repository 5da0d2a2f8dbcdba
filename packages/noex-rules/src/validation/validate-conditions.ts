import { CONDITION_OPERATORS, CONDITION_SOURCE_TYPES, type ConditionOperator } from '../condition.js'
import { compileRegex } from '../expressions/regex.js'
import { compileKeyPatternTemplate } from '../expressions/template.js'
import { isReference } from '../expressions/value.js'
import { isRecord } from '../util/record.js'
import { indexPath, type Issues } from './issues.js'
import { compileText, validateOneOf, validateText, validateVariable } from './validate-text.js'
import { validateValue } from './validate-value.js'
import { MAX_CONDITIONS, MAX_EXPRESSIONS, type ValidationRun } from './validation-run.js'

const WITHOUT_VALUE: ReadonlySet<ConditionOperator> = new Set<ConditionOperator>(['exists', 'not_exists'])

/** Checks a list of conditions. */
export function validateConditions (run: ValidationRun, path: string, conditions: unknown): void {
  const { issues } = run
  if (!Array.isArray(conditions)) return issues.error(path, 'must be an array')

  run.conditionsLeft -= conditions.length
  if (run.conditionsLeft < 0) {
    return issues.error(path, `makes more than ${MAX_CONDITIONS} conditions in the rule`)
  }
  for (const [index, condition] of conditions.entries()) {
    validateCondition(run, indexPath(path, index), condition)
  }
}

function validateCondition (run: ValidationRun, path: string, condition: unknown): void {
  const { issues } = run
  if (!isRecord(condition)) return issues.error(path, 'must be an object')

  const { source, operator, value } = condition
  validateSource(issues, `${path}.source`, source)
  if (!validateOneOf(issues, `${path}.operator`, operator, CONDITION_OPERATORS)) return
  if (WITHOUT_VALUE.has(operator)) return

  validateValue(issues, `${path}.value`, value)
  if (operator === 'matches') validateExpression(run, path, value)
  if (operator === 'in' || operator === 'not_in') warnUnlessArray(issues, `${path}.value`, value)
}

function validateSource (issues: Issues, path: string, source: unknown): void {
  if (source === undefined) return issues.error(path, 'is missing')
  if (!isRecord(source)) return issues.error(path, 'must be an object')

  const { type } = source
  if (type === 'baseline') return issues.error(`${path}.type`, 'must not be baseline: there are no baselines')
  if (!validateOneOf(issues, `${path}.type`, type, CONDITION_SOURCE_TYPES)) return
  switch (type) {
    case 'event':
      validateText(issues, `${path}.field`, source['field'])
      break
    case 'fact':
      if (!validateText(issues, `${path}.pattern`, source['pattern'])) return
      return compileText(issues, `${path}.pattern`, source['pattern'], compileKeyPatternTemplate)
    case 'context':
      validateText(issues, `${path}.key`, source['key'])
      break
    case 'lookup':
      if (validateVariable(issues, `${path}.name`, source['name'])) {
        issues.noteName(`${path}.name`, { root: 'lookup', name: source['name'] })
      }
      if (source['field'] !== undefined) validateText(issues, `${path}.field`, source['field'])
  }
}

function validateExpression (run: ValidationRun, path: string, value: unknown): void {
  const { issues, allowsExpressions } = run
  if (!allowsExpressions) {
    return issues.error(`${path}.operator`, 'must not be matches: expressions are switched off')
  }
  if (value === undefined || isReference(value)) return
  if (typeof value !== 'string') {
    return issues.warning(`${path}.value`, 'is no string, and so nothing matches')
  }

  if (--run.expressionsLeft < 0) {
    issues.error(`${path}.value`, `makes more than ${MAX_EXPRESSIONS} expressions in the rule`)
  } else {
    issues.catch(`${path}.value`, () => { compileRegex(value) })
  }
}

function warnUnlessArray (issues: Issues, path: string, value: unknown): void {
  if (value !== undefined && !Array.isArray(value) && !isReference(value)) {
    issues.warning(path, 'is no array, and so the condition never holds')
  }
}
