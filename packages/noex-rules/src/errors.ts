import { toError } from './util/to-error.js'
/** One finding of the validation of a rule or group. */
export interface ValidationIssue {
  /** The path of the property, such as `actions[0].timer.onExpire.topic`; `(root)` for the whole. */
  path: string
  message: string
  /** An error refuses the rule, a warning does not. */
  severity: 'error' | 'warning'
}

/** A rule or a group of rules is not valid. */
export class RuleValidationError extends Error {
  override readonly name = 'RuleValidationError'
  readonly code = 'RULE_VALIDATION_ERROR'
  readonly statusCode = 400
  readonly issues: ValidationIssue[]

  constructor (message: string, issues: ValidationIssue[]) {
    super(message)
    this.issues = issues
  }

  /** Returns the issues; HTTP servers pass on a property of this name. */
  get details (): ValidationIssue[] {
    return this.issues
  }
}

/** A pattern of topics, keys or timer names cannot be compiled. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  readonly code = 'PATTERN_ERROR'
}

/** A reference or a `${path}` names nothing that a rule can read. */
export class ReferencePathError extends Error {
  override readonly name = 'ReferencePathError'
  readonly code = 'REFERENCE_PATH_ERROR'
}

/** The expression of a `matches` is malformed, or cannot run in bounded time. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
  readonly code = 'EXPRESSION_ERROR'
}

/** A part of an action could not be resolved when the rule ran. */
export class ResolutionError extends Error {
  override readonly name = 'ResolutionError'
  readonly code = 'RESOLUTION_ERROR'

  constructor (message: string, cause?: unknown) {
    super(message, causeOption(cause))
  }
}

/** A lookup of a rule failed; `cause` is the reason. */
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

/** The engine has been stopped. Servers look for the words "is not running". */
export class EngineNotRunningError extends Error {
  override readonly name = 'EngineNotRunningError'
  readonly code = 'ENGINE_NOT_RUNNING'

  constructor (engineName: string) {
    super(`The rule engine "${engineName}" is not running`)
  }
}

/** The queue of the engine is full: `maxQueue` triggers wait. */
export class EngineBusyError extends Error {
  override readonly name = 'EngineBusyError'
  readonly code = 'ENGINE_BUSY'

  constructor (maxQueue: number) {
    super(`The rule engine is busy: ${maxQueue} triggers wait already`)
  }
}

/** There is no rule of this id. */
export class RuleNotFoundError extends Error {
  override readonly name = 'RuleNotFoundError'
  readonly code = 'RULE_NOT_FOUND'
  readonly ruleId: string

  constructor (ruleId: string) {
    super(`There is no rule "${ruleId}"`)
    this.ruleId = ruleId
  }
}

/** One item more would exceed a limit of the engine. */
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

/** A service did not answer in time. */
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

/** The handler of a subscriber did not settle in time. */
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

/** A service or method cannot be called, or the call failed; then `cause` is the reason. */
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
