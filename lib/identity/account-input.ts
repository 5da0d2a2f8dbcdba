import { invalid } from '../protocol/errors.js'
import { normalPassword } from './passwords.js'

/** The properties of a new account that a client chooses; a value of another type counts as absent. */
export interface UserInput {
  readonly username: string
  readonly password: string
  readonly displayName?: unknown
  readonly email?: unknown
  readonly enabled?: unknown
  readonly metadata?: unknown
}

/** The limit of `Passwords`, in UTF-16 units. */
const MAX_PASSWORD_CHARS = 1_024
const MAX_METADATA_CHARS = 16_384
const MAX_DISPLAY_NAME_CHARS = 256
const MAX_EMAIL_CHARS = 320

/** Checks the length of a new password, and that it is well-formed Unicode. @throws `VALIDATION_ERROR` */
export function checkPassword (password: string, minLength: number, field: string): void {
  if ([...normalPassword(password)].length < minLength) {
    throw invalid(field, `must have at least ${minLength} characters`)
  }
  if (password.length > MAX_PASSWORD_CHARS) {
    throw invalid(field, `must not be longer than ${MAX_PASSWORD_CHARS} characters`)
  }
  // Lone surrogates would all be hashed alike.
  if (!password.isWellFormed()) throw invalid(field, 'must be well-formed Unicode')
}

/** Checks the lengths of profile properties, and returns them. @throws `VALIDATION_ERROR` */
export function checkProfile (profile: Record<string, unknown>): Record<string, unknown> {
  const { displayName, email, metadata } = profile
  if (typeof displayName === 'string' && displayName.length > MAX_DISPLAY_NAME_CHARS) {
    throw invalid('displayName', `must not be longer than ${MAX_DISPLAY_NAME_CHARS} characters`)
  }
  // The store's check of a longer text would take long.
  if (typeof email === 'string' && email.length > MAX_EMAIL_CHARS) {
    throw invalid('email', `must not be longer than ${MAX_EMAIL_CHARS} characters`)
  }
  if (metadata !== undefined && JSON.stringify(metadata).length > MAX_METADATA_CHARS) {
    throw invalid('metadata', `must not be longer than ${MAX_METADATA_CHARS} characters of JSON`)
  }
  return profile
}
