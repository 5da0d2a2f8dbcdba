import { jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import { systemClock, type Clock } from '../clock.js'
import { isPlainObject } from '../option-checks.js'
import { resolveAuth, type ExternalAuth } from './auth-options.js'
import { JwksError, RemoteKeys } from './jwks.js'
import { resolveJwt, type JwtAuthOptions, type ResolvedJwt } from './jwt-options.js'
import type { AuthSession } from './session.js'

export type { JwtAuthOptions } from './jwt-options.js'

/** The option `auth`, as `jwtAuth` makes it. */
export interface JwtAuth extends ExternalAuth {
  /** Whose token this is; `null` when it is no good. Rejects when the keys cannot be fetched. */
  validate: TokenValidator
}

/** Tells whose token this is; `null` when it is no good. Rejects with a `JwksError` when the keys cannot be fetched. */
export type TokenValidator = (token: string) => Promise<AuthSession | null>

/** A longer token is refused before anything is computed. */
const MAX_TOKEN_CHARS = 8_192

const MAX_USER_ID_CHARS = 256
const MAX_ROLES = 100
const MAX_ROLE_CHARS = 256

/** The last moment that a `Date` can hold, in epoch milliseconds. */
const MAX_TIME_MS = 8.64e15

const DEFAULT_REVALIDATE_MS = 60_000

/**
 * Builds the option `auth` for signed JSON Web Tokens (JWS, RFC 7519). A token is good when an algorithm of the list
 * signed it, issuer and audience are the configured ones, `nbf` has come and `exp`, which it must have, has not. Then
 * `sub` is the user: 1 to 256 characters. The roles are at most 100 texts of at most 256 characters each; a token
 * without the claim has none. Tokens have at most 8,192 characters.
 * @throws {NoexOptionsError} for a bad option, with its path below `auth`.
 */
export function jwtAuth (options: JwtAuthOptions): JwtAuth {
  const validate = tokenValidator(resolveJwt(options), systemClock)
  const { required, permissions, revalidateMs = DEFAULT_REVALIDATE_MS } = options
  const auth = { validate, required, permissions, revalidateMs }
  // The server does it again, but a mistake is to show where it was made.
  resolveAuth(auth)
  return auth
}

/** Builds what checks tokens. Each call has keys of its own. */
export function tokenValidator (options: ResolvedJwt, clock: Clock): TokenValidator {
  const { algorithms, issuer, audience, rolesPath } = options
  const find = keyFinder(options.key, clock)
  const clockTolerance = options.clockToleranceMs / 1_000

  return async token => {
    if (token.length > MAX_TOKEN_CHARS) return null
    const currentDate = new Date(clock.now())
    try {
      const { payload } = await jwtVerify(token, find, { algorithms, issuer, audience, requiredClaims: ['exp', 'sub'], clockTolerance, currentDate })
      return sessionOf(payload, rolesPath)
    } catch (error) {
      if (error instanceof JwksError) throw error
      // Clients choose tokens: whatever else went wrong, it is the token.
      return null
    }
  }
}

function keyFinder (key: ResolvedJwt['key'], clock: Clock): JWTVerifyGetKey {
  if ('url' in key) return new RemoteKeys(key.url, key.cooldownMs, clock).find
  return () => key
}

function sessionOf (claims: JWTPayload, rolesPath: readonly string[]): AuthSession | null {
  const userId: unknown = claims.sub
  if (typeof userId !== 'string' || userId === '' || userId.length > MAX_USER_ID_CHARS) return null
  const roles = rolesAt(claims, rolesPath)
  const expiresAt = (claims.exp ?? NaN) * 1_000
  // JSON may say 1e400, which is infinite.
  return expiresAt <= MAX_TIME_MS && isRoles(roles) ? { userId, roles, expiresAt } : null
}

/**
 * The claim at the end of the path: an empty list where it is not there, `undefined` where the path leads through something
 * else than objects. Own members only: every object inherits some.
 */
function rolesAt (claims: unknown, path: readonly string[]): unknown {
  let found = claims
  for (const name of path) {
    if (!isPlainObject(found)) return undefined
    if (!Object.hasOwn(found, name)) return []
    found = found[name]
  }
  return found
}

function isRoles (roles: unknown): roles is string[] {
  return Array.isArray(roles) && roles.length <= MAX_ROLES && roles.every(role => typeof role === 'string' && role.length <= MAX_ROLE_CHARS)
}
