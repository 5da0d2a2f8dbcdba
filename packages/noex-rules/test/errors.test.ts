import t from 'tap'
import * as errors from '../src/errors.js'
import type { ValidationIssue } from '../src/errors.js'

const cause = new Error('why')
const issues: ValidationIssue[] = [{ path: 'id', message: 'is missing', severity: 'error' }]

const table: ReadonlyArray<readonly [error: Error, expected: Record<string, unknown>]> = [
  [new errors.RuleValidationError('bad', issues), {
    name: 'RuleValidationError',
    code: 'RULE_VALIDATION_ERROR',
    statusCode: 400,
    issues,
    details: issues,
    message: 'bad'
  }],
  [new errors.PatternError('bad'), { name: 'PatternError', code: 'PATTERN_ERROR', message: 'bad' }],
  [new errors.ReferencePathError('bad'), {
    name: 'ReferencePathError', code: 'REFERENCE_PATH_ERROR', message: 'bad'
  }],
  [new errors.ExpressionError('bad'), { name: 'ExpressionError', code: 'EXPRESSION_ERROR', message: 'bad' }],
  [new errors.ResolutionError(
    'bad', cause
  ), { name: 'ResolutionError', code: 'RESOLUTION_ERROR', message: 'bad', cause }],
  [
    new errors.DataResolutionError({ name: 'owner', service: 'users', method: 'get' }, cause),
    {
      name: 'DataResolutionError',
      code: 'DATA_RESOLUTION_ERROR',
      lookupName: 'owner',
      service: 'users',
      method: 'get',
      cause
    }
  ],
  [new errors.EngineNotRunningError('main'), {
    name: 'EngineNotRunningError', code: 'ENGINE_NOT_RUNNING', message: /is not running/
  }],
  [new errors.EngineBusyError(5), { name: 'EngineBusyError', code: 'ENGINE_BUSY', message: /5/ }],
  [new errors.RuleNotFoundError('r'), {
    name: 'RuleNotFoundError', code: 'RULE_NOT_FOUND', ruleId: 'r', message: /"r"/
  }],
  [new errors.LimitError(
    'maxFacts', 5
  ), { name: 'LimitError', code: 'LIMIT_EXCEEDED', details: { limit: 'maxFacts', max: 5 } }],
  [new errors.ServiceTimeoutError(
    's', 'm', 5
  ), { name: 'ServiceTimeoutError', code: 'SERVICE_TIMEOUT', service: 's', method: 'm', timeoutMs: 5 }],
  [
    new errors.SubscriberTimeoutError('a.b', 5),
    { name: 'SubscriberTimeoutError', code: 'SUBSCRIBER_TIMEOUT', topic: 'a.b', timeoutMs: 5 }
  ],
  [new errors.ServiceError('s', 'm', 'there is none', cause), {
    name: 'ServiceError', code: 'SERVICE_ERROR', service: 's', method: 'm', message: /there is none/, cause
  }]
]

t.test('each error has its own name and code', async t => {
  t.same(table.map(([{ name }]) => name).sort(), Object.keys(errors).sort())
  for (const [error, expected] of table) {
    t.match(error, expected, error.name)
    t.ok(error instanceof Error)
    if (expected['cause'] === undefined) t.notOk(Object.hasOwn(error, 'cause'))
  }
})
