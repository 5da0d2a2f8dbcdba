import { readError } from '../application/thrown.js'
import { NoexServerError } from '../protocol/errors.js'

/** A failure of a rule engine whose members have been read once, so that no later reader of them can fail. */
interface EngineFailure {
  readonly name: string
  readonly message: string
  readonly details: unknown
  readonly issues: unknown
}

const RETRY_AFTER_MS = 1_000

/**
 * How the errors of a rule engine are answered: by name, so that an engine from another copy of the package
 * is served alike.
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

/** Says of a rule what the first of the engine's issues is, and where. The engine may hand in anything. */
function invalidRule (issues: unknown): string {
  try {
    const first: unknown = Array.isArray(issues) ? issues[0] : undefined
    const { path, message } = (first ?? {}) as { path?: unknown, message?: unknown }
    const isTold = typeof path === 'string' && typeof message === 'string'
    if (isTold) return `The rule is not valid: ${path}: ${message}`
  } catch {}
  return 'The rule is not valid'
}

/** Builds the answer where the engine is stopped. */
export function notAvailable (): NoexServerError {
  return new NoexServerError('RULES_NOT_AVAILABLE', 'The rule engine is stopped')
}

/**
 * Translates what a method of a rule engine threw. A failure that clients must not learn of becomes an error
 * that names the method, for the log. Never throws.
 */
export function toRuleError (thrown: unknown, method: string): Error {
  const failure = readFailure(thrown)
  const subject = `the method ${method} of the rule engine`
  if (failure === undefined) return new Error(`${subject} has thrown what is no error`)
  const translate = Object.hasOwn(engineErrors, failure.name) ? engineErrors[failure.name] : undefined
  if (translate !== undefined) return translate(failure)
  // The engine has one message for this, and no class that all copies share.
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
