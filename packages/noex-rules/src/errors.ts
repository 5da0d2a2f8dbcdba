import { toError } from './util/to-error.js'
/** One thing that is wrong with a rule, or only doubtful. */
export interface ValidationIssue {
  /** Where: `actions[0].timer.onExpire.topic`; `(root)` for the whole. */
  path: string
  message: string
  /** An error refuses the rule, a warning does not. */
  severity: 'error' | 'warning'
}

/** Says that a rule, or a group of rules, is not what it must be. */
export class RuleValidationError extends Error {
  override readonly name = 'RuleValidationError'
  readonly code = 'RULE_VALIDATION_ERROR'
  readonly statusCode = 400
  readonly issues: ValidationIssue[]

  constructor (message: string, issues: ValidationIssue[]) {
    super(message)
    this.issues = issues
  }

  /** The issues, under the name that servers pass on. */
  get details (): ValidationIssue[] {
    return this.issues
  }
}

/** Says that a pattern of topics, keys or timer names cannot be used. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  readonly code = 'PATTERN_ERROR'
}

/** Says that a reference or a `${path}` names nothing that a rule can see. */
export class ReferencePathError extends Error {
  override readonly name = 'ReferencePathError'
  readonly code = 'REFERENCE_PATH_ERROR'
}

/** Says that the expression of a `matches` is refused: malformed, or not to be run in bounded time. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
  readonly code = 'EXPRESSION_ERROR'
}

/** Says that a part of an action could not be resolved when the rule ran. */
export class ResolutionError extends Error {
  override readonly name = 'ResolutionError'
  readonly code = 'RESOLUTION_ERROR'

  constructor (message: string, cause?: unknown) {
    super(message, causeOption(cause))
  }
}

/** Says that a lookup of a rule failed; `cause` is the reason. */
export class DataResolutionError extends Error {
  override readonly name = 'DataResolutionError'
  readonly code = 'DATA_RESOLUTION_ERROR'
  readonly lookupName: string
  readonly service: string
  readonly method: string

  constructor (
    lookup: { readonly name: string, readonly service: string, readonly method: string },
    cause?: unknown
  ) {
    super(`The lookup "${lookup.name}" of ${lookup.service}.${lookup.method} failed`, causeOption(cause))
    this.lookupName = lookup.name
    this.service = lookup.service
    this.method = lookup.method
  }
}

/** Says that an engine has been stopped. Servers look for the words "is not running". */
export class EngineNotRunningError extends Error {
  override readonly name = 'EngineNotRunningError'
  readonly code = 'ENGINE_NOT_RUNNING'

  constructor (engineName: string) {
    super(`The rule engine "${engineName}" is not running`)
  }
}

/** Says that as many triggers wait as an engine lets wait. */
export class EngineBusyError extends Error {
  override readonly name = 'EngineBusyError'
  readonly code = 'ENGINE_BUSY'

  constructor (maxQueue: number) {
    super(`The rule engine is busy: ${maxQueue} triggers wait already`)
  }
}

/** Says that an engine has no rule of an id. */
export class RuleNotFoundError extends Error {
  override readonly name = 'RuleNotFoundError'
  readonly code = 'RULE_NOT_FOUND'
  readonly ruleId: string

  constructor (ruleId: string) {
    super(`There is no rule "${ruleId}"`)
    this.ruleId = ruleId
  }
}

/** Says that one more of something would be more than an engine holds. */
export class LimitError extends Error {
  override readonly name = 'LimitError'
  readonly code = 'LIMIT_EXCEEDED'
  readonly details: { readonly limit: string, readonly max: number }

  /** `limit` is the option that sets the bound, such as `maxFacts`. */
  constructor (limit: string, max: number) {
    super(`The limit ${limit} of ${max} is reached`)
    this.details = { limit, max }
  }
}

/** Says that a service did not answer in time. */
export class ServiceTimeoutError extends Error {
  override readonly name = 'ServiceTimeoutError'
  readonly code = 'SERVICE_TIMEOUT'
  readonly service: string
  readonly method: string
  /** Milliseconds. */
  readonly timeoutMs: number

  constructor (service: string, method: string, timeoutMs: number) {
    super(`${service}.${method} did not answer within ${timeoutMs} ms`)
    this.service = service
    this.method = method
    this.timeoutMs = timeoutMs
  }
}

/** Says that a handler of a subscriber did not settle in time. */
export class SubscriberTimeoutError extends Error {
  override readonly name = 'SubscriberTimeoutError'
  readonly code = 'SUBSCRIBER_TIMEOUT'
  readonly topic: string
  /** Milliseconds. */
  readonly timeoutMs: number

  constructor (topic: string, timeoutMs: number) {
    super(`A subscriber to "${topic}" did not settle within ${timeoutMs} ms`)
    this.topic = topic
    this.timeoutMs = timeoutMs
  }
}

/** Says that a service or method cannot be called, or that the call failed; `cause` is the reason then. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code = 'SERVICE_ERROR'
  readonly service: string
  readonly method: string

  constructor (service: string, method: string, reason: string, cause?: unknown) {
    super(`${service}.${method}: ${reason}`, causeOption(cause))
    this.service = service
    this.method = method
  }
}

function causeOption (cause: unknown): ErrorOptions | undefined {
  return cause === undefined ? undefined : { cause: toError(cause) }
}
