import { NoexServerError } from '../protocol/errors.js'

/** Returns the error of a request that was not run because its entry cannot become durable. */
export function auditUnavailable (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR',
    'The audit trail cannot be written at the moment; the request was not executed',
    { reason: 'audit_unavailable' }
  )
}

/** Returns the error of a request that has run, but whose entry did not become durable in time. */
export function appliedUnaudited (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR',
    'The request was executed, but the audit trail cannot be written at the moment',
    { reason: 'audit_unavailable', applied: true }
  )
}
