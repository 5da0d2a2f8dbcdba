import type { KeyObject } from 'node:crypto'
import {
  NoexOptionsError, option, options, required, requireObject, type Resolved, type ValueType
} from '../util/option-schema.js'
import { integer, nonEmptyText, textArray, unchecked } from '../util/option-types.js'
import { externalOptions, type TokenAuth } from './auth-options.js'
import { REFRESH_AGE_MS } from './jwks.js'
import { checkAlgorithms, publicKey, secretKey, type JwtAlgorithm, type PublicKeyInput } from './jwt-key.js'

/**
 * The options of `jwtAuth`. Exactly one of `secret`, `publicKey` and `jwksUri` says how tokens are signed.
 */
export interface JwtAuthOptions extends TokenAuth {
  /**
   * Secret that the issuer shares with this server: at least as many bytes as the hash of `algorithms` has,
   * 32 for `HS256`. One of `secret`, `publicKey` and `jwksUri` is required.
   * @default none
   */
  secret?: string | Uint8Array | undefined
  /**
   * Public key of the issuer: PEM text (SPKI or an X.509 certificate), a `KeyObject` or a JWK. RSA keys have
   * at least 2,048 bits.
   * @default none
   */
  publicKey?: PublicKeyInput | undefined
  /**
   * Address at which the issuer publishes its public keys (JWKS): `https`, or `http` on this machine. Keys
   * are used for at most 10 minutes.
   * @default none
   */
  jwksUri?: string | undefined
  /** Algorithms that tokens may be signed with. */
  algorithms: readonly JwtAlgorithm[]
  /** Issuer that a token must have (`iss`), or one of several. */
  issuer: string | readonly string[]
  /** Audience that a token must have (`aud`), or one of several. */
  audience: string | readonly string[]
  /**
   * Claim that lists the roles: a name, taken as it is, or the names on the way to it, for instance
   * `['realm_access', 'roles']`.
   * @default 'roles'
   */
  rolesClaim?: string | readonly string[] | undefined
  /**
   * Claim with the name of the user, for instance `preferred_username`, in the same form. Operators see the
   * name beside the `sub`, in the audit too; nothing depends on it. One that is no text of 1 to 256
   * characters is none.
   * @default none
   */
  nameClaim?: string | readonly string[] | undefined
  /**
   * Time by which the issuer's clock may be off, for `nbf` and `exp`, in milliseconds: a session ends so long
   * after `exp`.
   * @default 5_000
   */
  clockToleranceMs?: number | undefined
  /**
   * Shortest time between two requests to `jwksUri`, in milliseconds, regardless of the tokens that come in.
   * A token whose key is not known may have to wait so long.
   * @default 30_000
   */
  cooldownMs?: number | undefined
  /**
   * When a token is checked again before a request or a push, so that a withdrawn key counts: `false`, never;
   * `0`, each time; otherwise when so many milliseconds have passed since it was last checked.
   * @default 60_000
   */
  revalidateMs?: number | false | undefined
  /**
   * Time within which a token must be checked, in milliseconds; keys are fetched in at most 5,000.
   * @default 30_000
   */
  validateTimeoutMs?: number | undefined
}

/** The options of `jwtAuth` with their defaults, checked, and with the keys read. */
export interface ResolvedJwt {
  readonly key: Uint8Array | KeyObject | { readonly url: URL, readonly cooldownMs: number }
  readonly algorithms: string[]
  readonly issuer: string[]
  readonly audience: string[]
  /** The names on the way to the roles. */
  readonly rolesPath: readonly string[]
  readonly namePath: readonly string[] | undefined
  readonly clockToleranceMs: number
  /** The options that belong to every `auth`. */
  readonly auth: Pick<JwtValues,
    'required' | 'permissions' | 'revalidateMs' | 'validateTimeoutMs' | 'scrapeToken'>
}

/** One text, or several. */
const texts: ValueType = {
  text: 'text, or array of texts',
  check (value, path) {
    if (!Array.isArray(value)) {
      nonEmptyText.check(value, path)
      return
    }
    textArray.check(value, path)
    if (value.length === 0) throw new NoexOptionsError(path, 'must not be empty')
  }
}

const { validate: _, ...ofEveryAuth } = externalOptions.members

export const jwtOptions = options<JwtAuthOptions>()({
  secret: option(unchecked('text or `Uint8Array` of 32 bytes or more'), undefined),
  publicKey: option(unchecked('PEM text, `KeyObject` or JWK'), undefined),
  jwksUri: option({ ...nonEmptyText, text: '`https` address' }, undefined),
  algorithms: required(unchecked('array of names of algorithms')),
  issuer: required(texts),
  audience: required(texts),
  rolesClaim: option(texts, 'roles'),
  nameClaim: option(texts, undefined),
  clockToleranceMs: option(integer(0, 60_000), 5_000),
  cooldownMs: option(integer(1_000, REFRESH_AGE_MS), 30_000),
  ...ofEveryAuth,
  revalidateMs: option(ofEveryAuth.revalidateMs.type, 60_000)
})

const PATH = 'auth'
const keyOptions = ['secret', 'publicKey', 'jwksUri'] as const

type JwtValues = Resolved<typeof jwtOptions>

/**
 * Checks the options of `jwtAuth` and fills in the defaults.
 * @throws {NoexOptionsError} at the first option that is unknown or wrong, with its path below `auth`
 */
export function resolveJwt (options: JwtAuthOptions): ResolvedJwt {
  const values = jwtOptions.resolve(requireObject(options, PATH), PATH)
  const [kind, ...others] = keyOptions.filter(name => values[name] !== undefined)
  if (kind === undefined || others.length > 0) {
    throw new NoexOptionsError(PATH, `needs exactly one of ${keyOptions.join(', ')}`)
  }
  if (options.cooldownMs !== undefined && kind !== 'jwksUri') {
    throw new NoexOptionsError(`${PATH}.cooldownMs`, 'has no effect without jwksUri')
  }
  checkAlgorithms(values.algorithms, kind === 'secret' ? 'secret' : 'public', `${PATH}.algorithms`)
  const { required, permissions, revalidateMs, validateTimeoutMs, scrapeToken } = values
  return {
    key: keyOf(kind, values),
    algorithms: [...values.algorithms],
    issuer: textsIn(values.issuer),
    audience: textsIn(values.audience),
    rolesPath: textsIn(values.rolesClaim),
    namePath: values.nameClaim === undefined ? undefined : textsIn(values.nameClaim),
    clockToleranceMs: values.clockToleranceMs,
    auth: { required, permissions, revalidateMs, validateTimeoutMs, scrapeToken }
  }
}

function keyOf (kind: typeof keyOptions[number], values: JwtValues): ResolvedJwt['key'] {
  const path = `${PATH}.${kind}`
  if (kind === 'secret') return secretKey(values.secret, values.algorithms, path)
  if (kind === 'publicKey') {
    return publicKey(values.publicKey, values.algorithms, path, `${PATH}.algorithms`)
  }
  return { url: jwksUrl(values.jwksUri ?? '', path), cooldownMs: values.cooldownMs }
}

/** Over plain http, a program on the way could put in a key of its own. */
function jwksUrl (text: string, path: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
  ) {
    throw new NoexOptionsError(path, 'must be an https URL, or an http URL of a loopback host')
  }
  if (url.username !== '' || url.password !== '') {
    throw new NoexOptionsError(path, 'must have no user name and no password')
  }
  return url
}

/** The host as a URL writes it: IPv4 as four numbers, IPv6 compressed. */
function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function textsIn (value: string | readonly string[]): string[] {
  return typeof value === 'string' ? [value] : [...value]
}
