import { NoexServerError } from '../protocol/errors.js'

/** Builds the refusal of a request whose entry cannot become durable: it has not run. */
export function auditUnavailable (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR',
    'The audit trail cannot be written at the moment; the request was not executed',
    { reason: 'audit_unavailable' }
  )
}

/** Builds the answer to a request that has run before its entry turned out not to become durable in time. */
export function appliedUnaudited (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR',
    'The request was executed, but the audit trail cannot be written at the moment',
    { reason: 'audit_unavailable', applied: true }
  )
}
