import { type Action, LOG_LEVELS } from '../action.js'
import { compileTemplate } from '../expressions/template.js'
import { isRecord } from '../util/record.js'
import type { Issues } from './issues.js'
import { validateDuration, validateOptionalCount } from './validate-number.js'
import {
  compileText,
  MAX_TEXT_LENGTH,
  validateOneOf,
  validateString,
  validateTemplate,
  validateText
} from './validate-text.js'
import { validateData, validateValue, validateValues } from './validate-value.js'

/** The types of actions that contain no others. */
type SimpleActionType = Exclude<Action['type'], 'conditional' | 'for_each' | 'try_catch'>

/** Checks the properties of an action that contains no others. */
export function validateSimpleAction (
  issues: Issues,
  path: string,
  type: SimpleActionType,
  action: Record<string, unknown>
): void {
  switch (type) {
    case 'set_fact':
      validateTemplate(issues, `${path}.key`, action['key'])
      return validateValue(issues, `${path}.value`, action['value'])
    case 'delete_fact': return validateTemplate(issues, `${path}.key`, action['key'])
    case 'emit_event':
      validateTemplate(issues, `${path}.topic`, action['topic'])
      return validateData(issues, `${path}.data`, action['data'])
    case 'set_timer': return validateTimer(issues, `${path}.timer`, action['timer'])
    case 'cancel_timer': return validateTemplate(issues, `${path}.name`, action['name'])
    case 'call_service':
      validateText(issues, `${path}.service`, action['service'])
      validateText(issues, `${path}.method`, action['method'])
      if (action['args'] !== undefined) validateValues(issues, `${path}.args`, action['args'])
      return
    case 'log': return validateLog(issues, path, action)
  }
}

function validateTimer (issues: Issues, path: string, timer: unknown): void {
  if (timer === undefined) return issues.error(path, 'is missing')
  if (!isRecord(timer)) return issues.error(path, 'must be an object')

  const { name, duration, onExpire, repeat } = timer
  validateTemplate(issues, `${path}.name`, name)
  validateDuration(issues, `${path}.duration`, duration)
  validateOnExpire(issues, `${path}.onExpire`, onExpire)
  if (repeat !== undefined) validateRepeat(issues, `${path}.repeat`, repeat)
}

function validateOnExpire (issues: Issues, path: string, onExpire: unknown): void {
  if (onExpire === undefined) return issues.error(path, 'is missing')
  if (!isRecord(onExpire)) return issues.error(path, 'must be an object')

  validateTemplate(issues, `${path}.topic`, onExpire['topic'])
  validateData(issues, `${path}.data`, onExpire['data'])
}

function validateRepeat (issues: Issues, path: string, repeat: unknown): void {
  if (!isRecord(repeat)) return issues.error(path, 'must be an object')

  validateDuration(issues, `${path}.interval`, repeat['interval'])
  validateOptionalCount(issues, `${path}.maxCount`, repeat['maxCount'])
}

function validateLog (issues: Issues, path: string, { level, message }: Record<string, unknown>): void {
  validateOneOf(issues, `${path}.level`, level, LOG_LEVELS)
  if (validateString(issues, `${path}.message`, message, MAX_TEXT_LENGTH)) {
    compileText(issues, `${path}.message`, message, compileTemplate)
  }
}
