import { NoexServerError } from './errors.js'

/** Builds the refusal of a request for which its client must log in. */
export function loginRequired (): NoexServerError {
  return new NoexServerError('UNAUTHORIZED', 'Authentication required')
}

/** Builds the refusal of a request whose connection is closed by now. */
export function connectionEnded (): NoexServerError {
  return new NoexServerError('UNAUTHORIZED', 'The connection has ended')
}

/**
 * Builds the refusal of a call that comes when the server takes none any more, or was under way then.
 * `windowMs` is the time over which clients are spread that come back.
 */
export function shuttingDown (windowMs: number): NoexServerError {
  const retryAfterMs = Math.round(Math.random() * windowMs)
  return new NoexServerError(
    'INTERNAL_ERROR', 'The server is shutting down', { reason: 'shutting_down', retryAfterMs }
  )
}

/** Builds the refusal of a login that does not tell whether the user exists. */
export function invalidCredentials (): NoexServerError {
  return new NoexServerError('UNAUTHORIZED', 'Invalid credentials')
}

/** Builds the refusal of a login of a user who is revoked. */
export function userRevoked (): NoexServerError {
  return new NoexServerError('SESSION_REVOKED', 'This user cannot log in at the moment')
}

/** Builds the refusal of an operation whose feature is not configured. */
export function notConfigured (
  feature: 'Authentication' | 'Identity management' | 'The audit trail'
): NoexServerError {
  return new NoexServerError('UNKNOWN_OPERATION', `${feature} is not configured`)
}

/** Builds the refusal of a request that needs a rule engine. */
export function noRuleEngine (): NoexServerError {
  return new NoexServerError('RULES_NOT_AVAILABLE', 'No rule engine is configured')
}

/** Builds the refusal of a change while too many others wait for their turn. */
export function tooManyChanges (retryAfterMs: number): NoexServerError {
  return new NoexServerError('RATE_LIMITED', 'Too many changes are under way', { retryAfterMs })
}

/** Builds the refusal of a sum that is beyond what a number holds. */
export function sumOverflow (): NoexServerError {
  return new NoexServerError('VALIDATION_ERROR', 'The sum overflows: it is beyond ±1.8e308')
}

/** Builds the answer to a fault of the server or the application, whose reason only the log has. */
export function internalError (): NoexServerError {
  return new NoexServerError('INTERNAL_ERROR', 'The operation failed inside the server')
}
