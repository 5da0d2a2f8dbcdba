import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import { systemClock, type Clock } from '../util/clock.js'
import { isPlainObject } from '../util/option-schema.js'
import type { ExternalAuth } from './auth-options.js'
import { JwksError, RemoteKeys } from './jwks.js'
import { resolveJwt, type JwtAuthOptions, type ResolvedJwt } from './jwt-options.js'
import {
  isRoles, isUserId, MAX_LIFETIME_MS, MAX_USER_ID_CHARS, type AuthSession
} from '../protocol/session.js'
import { TokenRefusal, withReasons, type ExplainedValidator } from './token-refusal.js'

export type { JwtAuthOptions } from './jwt-options.js'

/** The option `auth` that `jwtAuth` returns. */
export interface JwtAuth extends ExternalAuth {
  /** Resolves with the session of a token; `null` for an invalid one. Rejects when keys cannot be fetched. */
  validate: TokenValidator
}

/** Resolves with the session of a token; `null` for an invalid one. Rejects when keys cannot be fetched. */
export type TokenValidator = (token: string) => Promise<AuthSession | null>

/**
 * Characters of a JSON Web Token: a longer one is refused before anything is computed.
 * @limit `UNAUTHORIZED`
 */
const MAX_TOKEN_CHARS = 8_192

/** Length limit of a logged reason, in characters: it may contain claims and headers of the client. */
const MAX_REASON_CHARS = 200

/**
 * Builds the option `auth` for signed JSON Web Tokens (JWS, RFC 7519). A token is valid when it is signed by
 * an algorithm of the list, has the configured issuer and audience, `nbf` is past and `exp`, which is
 * required, is not. No time claim may be more than ten years ahead: it would be in another unit than seconds.
 * The user is `sub`, of 1 to 256 characters. The roles are at most 100 texts of at most 256 characters each;
 * a token without the claim has none. Tokens have at most 8,192 characters. The reason of a refusal is
 * logged.
 * @throws {NoexOptionsError} for a bad option, with its path below `auth`
 * @example
 * const auth = jwtAuth({
 *   jwksUri: 'https://login.example.com/.well-known/jwks.json',
 *   algorithms: ['RS256'],
 *   issuer: 'https://login.example.com/',
 *   audience: 'orders'
 * })
 * await app.register(noexPlugin, { store, auth })
 */
export function jwtAuth (options: JwtAuthOptions): JwtAuth {
  const resolved = resolveJwt(options)
  return { validate: tokenValidator(resolved, systemClock), ...resolved.auth }
}

/** Builds the function that checks tokens. Each has keys of its own. */
export function tokenValidator (options: ResolvedJwt, clock: Clock): TokenValidator {
  return withReasons({ explain: explainer(options, clock), toleranceMs: options.clockToleranceMs })
}

function explainer (options: ResolvedJwt, clock: Clock): ExplainedValidator['explain'] {
  const { algorithms, issuer, audience, clockToleranceMs } = options
  const find = keyFinder(options.key, clock)
  const clockTolerance = clockToleranceMs / 1_000
  const checks = { algorithms, issuer, audience, requiredClaims: ['exp', 'sub'], clockTolerance }

  return async token => {
    if (token.length > MAX_TOKEN_CHARS) {
      return new TokenRefusal(`it has more than ${MAX_TOKEN_CHARS} characters`)
    }
    const now = clock.now()
    try {
      const { payload } = await jwtVerify(token, find, { ...checks, currentDate: new Date(now) })
      return sessionOf(payload, options, now)
    } catch (error) {
      if (error instanceof JwksError) throw error
      // Clients choose tokens: any other failure is that of the token.
      return new TokenRefusal(reasonOf(error))
    }
  }
}

/** Returns the message of jose, for the log. */
function reasonOf (error: unknown): string {
  return error instanceof errors.JOSEError ? error.message.slice(0, MAX_REASON_CHARS) : 'it cannot be read'
}

function keyFinder (key: ResolvedJwt['key'], clock: Clock): JWTVerifyGetKey {
  if ('url' in key) return new RemoteKeys(key.url, key.cooldownMs, clock).find
  return () => key
}

function sessionOf (
  claims: JWTPayload,
  { rolesPath, namePath }: Pick<ResolvedJwt, 'rolesPath' | 'namePath'>,
  now: number
): AuthSession | TokenRefusal {
  const userId: unknown = claims.sub
  if (!isUserId(userId)) {
    return new TokenRefusal(`"sub" is no text of 1 to ${MAX_USER_ID_CHARS} characters`)
  }
  const late = timeClaims.find(name => !isNear(claims[name], now))
  if (late !== undefined) {
    return new TokenRefusal(`"${late}" is more than ten years ahead; it is to be in seconds`)
  }
  const roles = claimAt(claims, rolesPath)
  if (!isRoles(roles)) return new TokenRefusal('the claim with the roles is no list of texts, or too long')
  const userName = namePath && claimAt(claims, namePath)
  return {
    userId,
    ...(isUserId(userName) && { userName }),
    roles,
    expiresAt: (claims.exp ?? NaN) * 1_000
  }
}

/** The time claims, in seconds since 1970. */
const timeClaims = ['exp', 'nbf', 'iat'] as const

/** Returns whether a time claim can be in seconds. 1e400 in JSON is infinite. */
function isNear (seconds: number | undefined, now: number): boolean {
  return seconds === undefined || seconds * 1_000 <= now + MAX_LIFETIME_MS
}

/**
 * Returns the claim at a path: an empty list where it is absent, `undefined` where the path leads through a
 * value that is no object. Inherited properties do not count.
 */
function claimAt (claims: unknown, path: readonly string[]): unknown {
  let found = claims
  for (const name of path) {
    if (!isPlainObject(found)) return undefined
    if (!Object.hasOwn(found, name)) return []
    found = found[name]
  }
  return found
}
