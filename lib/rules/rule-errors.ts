import { readError } from '../application/thrown.js'
import { NoexServerError } from '../protocol/errors.js'

/** The properties of an error of a rule engine, read once: its getters may throw. */
interface EngineFailure {
  readonly name: string
  readonly message: string
  readonly details: unknown
  readonly issues: unknown
}

/** Time after which the client of a busy engine can retry, in milliseconds. */
const RETRY_AFTER_MS = 1_000

/**
 * Builds the replies to errors of a rule engine. They are recognized by name, so that an engine of another
 * copy of the package works, too.
 */
const engineErrors: Readonly<Record<string, (failure: EngineFailure) => NoexServerError>> = {
  RuleValidationError ({ details, issues }) {
    return new NoexServerError('VALIDATION_ERROR', invalidRule(details ?? issues), details ?? issues)
  },
  PatternError ({ message }) {
    return new NoexServerError('VALIDATION_ERROR', `The pattern is not valid: ${message}`)
  },
  RuleNotFoundError: () => new NoexServerError('NOT_FOUND', 'The rule does not exist'),
  LimitError ({ details }) {
    return new NoexServerError('RATE_LIMITED', 'The rule engine has no room for more', details)
  },
  EngineBusyError () {
    const retryAfterMs = RETRY_AFTER_MS
    return new NoexServerError('RATE_LIMITED', 'The rule engine has too much to do', { retryAfterMs })
  }
}

/** Returns the message for an invalid rule: the first issue with its path. The issues may be any value. */
function invalidRule (issues: unknown): string {
  try {
    const first: unknown = Array.isArray(issues) ? issues[0] : undefined
    const { path, message } = (first ?? {}) as { path?: unknown, message?: unknown }
    const isTold = typeof path === 'string' && typeof message === 'string'
    if (isTold) return `The rule is not valid: ${path}: ${message}`
  } catch {}
  return 'The rule is not valid'
}

/** Builds the reply of a stopped engine. */
export function notAvailable (): NoexServerError {
  return new NoexServerError('RULES_NOT_AVAILABLE', 'The rule engine is stopped')
}

/**
 * Translates an error of a method of a rule engine into the one to reply with, or into an error for the log
 * that names the method. Never throws.
 */
export function toRuleError (thrown: unknown, method: string): Error {
  const failure = readFailure(thrown)
  const subject = `the method ${method} of the rule engine`
  if (failure === undefined) return new Error(`${subject} has thrown what is no error`)
  const translate = Object.hasOwn(engineErrors, failure.name) ? engineErrors[failure.name] : undefined
  if (translate !== undefined) return translate(failure)
  // There is no error class for this that all copies of the package share.
  if (failure.message.includes('is not running')) return notAvailable()
  return new Error(`${subject} has failed: ${failure.message}`, { cause: thrown })
}

function readFailure (thrown: unknown): EngineFailure | undefined {
  const texts = readError(thrown)
  if (texts === undefined) return undefined
  try {
    const { details, issues } = thrown as { readonly details?: unknown, readonly issues?: unknown }
    return { ...texts, details, issues }
  } catch {
    return undefined
  }
}
