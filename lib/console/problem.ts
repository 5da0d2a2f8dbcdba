import { NoexClientError } from '../client/index.js'

/** Codes of failures that the header of the console tells already. */
const ofConnection = new Set(['DISCONNECTED', 'TIMEOUT', 'ABORTED', 'REFUSED', 'LOGIN_FAILED'])

/** Whether a failure is that of the connection, which comes back by itself. */
export function isOfConnection (error: unknown): boolean {
  return error instanceof NoexClientError && ofConnection.has(error.code)
}

/** Returns what has failed and what to do about it, as a sentence for the user. */
export function explain (error: unknown, subject = 'This'): string {
  if (!(error instanceof NoexClientError)) return error instanceof Error ? error.message : String(error)
  const { code, message } = error
  switch (code) {
    case 'FORBIDDEN':
      return `${subject}: you do not have the right to it. The server says: ${message}.`
    case 'UNAUTHORIZED':
      return `${subject}: you have to log in. The server says: ${message}.`
    case 'UNKNOWN_OPERATION':
    case 'RULES_NOT_AVAILABLE':
      return `${subject}: this server does not have that. It says: ${message}.`
    case 'RATE_LIMITED':
      return `${subject}: you ask more often than the limits of the server let you. It says: ${message}.`
    case 'DISCONNECTED':
    case 'TIMEOUT':
      return 'outcome' in error && error.outcome === 'unknown'
        ? 'The server has not answered: this may have been done or not. Look before you repeat it.'
        : 'There is no connection: nothing has been done. Repeat it when the server is back.'
    case 'CONFLICT':
      return `It has changed meanwhile. The server says: ${message}`
    default:
      return `${message} (${code})`
  }
}
