import type { KeyObject } from 'node:crypto'
import {
  checkGroup,
  isInteger,
  isPlainObject,
  isText,
  isTextArray,
  NoexOptionsError,
  type Checks
} from '../util/option-schema.js'
import { REFRESH_AGE_MS } from './jwks.js'
import { checkAlgorithms, publicKey, secretKey, type JwtAlgorithm, type PublicKeyInput } from './jwt-key.js'
import type { PermissionConfig } from '../permissions/rule-policy.js'

/** What `jwtAuth` takes. Exactly one of `secret`, `publicKey` and `jwksUri` says how tokens are signed. */
export interface JwtAuthOptions {
  /**
   * The secret that the issuer shares with this server: at least as many bytes as the hash of `algorithms`
   * has, 32 for `HS256`.
   */
  secret?: string | Uint8Array | undefined
  /**
   * The issuer's public key: PEM text (SPKI or an X.509 certificate), a `KeyObject` or a JWK. RSA keys have
   * at least 2,048 bits.
   */
  publicKey?: PublicKeyInput | undefined
  /**
   * Where the issuer publishes its public keys (JWKS): `https`, or `http` on this machine. Keys are used for
   * at most 10 minutes.
   */
  jwksUri?: string | undefined
  /** The algorithms that tokens may be signed with. No other is accepted, whatever a token says. */
  algorithms: readonly JwtAlgorithm[]
  /** Who must have issued a token (`iss`); one of them, where there are more. */
  issuer: string | readonly string[]
  /** Whom a token must be meant for (`aud`); one of them, where there are more. */
  audience: string | readonly string[]
  /**
   * The claim that lists the roles: a name, taken as it is, or the names on the way to it, for instance
   * `['realm_access', 'roles']`.
   * @default 'roles'
   */
  rolesClaim?: string | readonly string[] | undefined
  /**
   * How far the issuer's clock may be off, for `nbf` and `exp`, at most 60,000: a session ends so long after
   * `exp`.
   * @default 5_000
   */
  clockToleranceMs?: number | undefined
  /**
   * Time between two fetches from `jwksUri`, at least. A token whose key is not known may have to wait so
   * long. From 1,000 to 300,000.
   * @default 30_000
   */
  cooldownMs?: number | undefined
  /**
   * Whether a client must log in before it may do anything.
   * @default true
   */
  required?: boolean | undefined
  /** @default none: as with any other `auth` */
  permissions?: PermissionConfig | undefined
  /**
   * After how long a token is checked again before its session is used: then a withdrawn key counts.
   * 0: each time, `false`: never.
   * @default 60_000
   */
  revalidateMs?: number | false | undefined
  /**
   * Time within which a token must be checked, in milliseconds; keys are fetched in at most 5,000.
   * @default 30_000
   */
  validateTimeoutMs?: number | undefined
}

/** How tokens are checked, with every default filled in, and checked. */
export interface ResolvedJwt {
  readonly key: Uint8Array | KeyObject | { readonly url: URL, readonly cooldownMs: number }
  readonly algorithms: string[]
  readonly issuer: string[]
  readonly audience: string[]
  /** The names on the way to the roles. */
  readonly rolesPath: readonly string[]
  readonly clockToleranceMs: number
}

const PATH = 'auth'
const DEFAULT_COOLDOWN_MS = 30_000
const DEFAULT_TOLERANCE_MS = 5_000

const keyOptions = ['secret', 'publicKey', 'jwksUri'] as const

/**
 * What can be checked by itself. The others follow from the key, or belong to every `auth` (auth-options.ts).
 */
const checks: Checks = {
  secret: () => {},
  publicKey: () => {},
  jwksUri: isText,
  algorithms: () => {},
  issuer: isTextOrTexts,
  audience: isTextOrTexts,
  rolesClaim: isTextOrTexts,
  clockToleranceMs: isInteger(0, 60_000),
  cooldownMs: isInteger(1_000, REFRESH_AGE_MS),
  required: () => {},
  permissions: () => {},
  revalidateMs: () => {},
  validateTimeoutMs: () => {}
}

/**
 * Checks what `jwtAuth` is given, except for what belongs to every `auth`, and fills in the defaults.
 * @throws {NoexOptionsError} at the first option that is unknown or wrong, with its path below `auth`.
 */
export function resolveJwt (options: JwtAuthOptions): ResolvedJwt {
  if (!isPlainObject(options)) throw new NoexOptionsError(PATH, 'must be an object')
  checkGroup(options, checks, `${PATH}.`)
  const given = keyOptions.filter(name => options[name] !== undefined)
  const [kind] = given
  if (kind === undefined || given.length > 1) {
    throw new NoexOptionsError(PATH, `needs exactly one of ${keyOptions.join(', ')}`)
  }
  for (const name of ['algorithms', 'issuer', 'audience'] as const) {
    if (options[name] === undefined) throw new NoexOptionsError(`${PATH}.${name}`, 'is required')
  }
  if (options.cooldownMs !== undefined && kind !== 'jwksUri') {
    throw new NoexOptionsError(`${PATH}.cooldownMs`, 'has no effect without jwksUri')
  }
  checkAlgorithms(options.algorithms, kind === 'secret' ? 'secret' : 'public', `${PATH}.algorithms`)
  return {
    key: keyOf(kind, options),
    algorithms: [...options.algorithms],
    issuer: texts(options.issuer),
    audience: texts(options.audience),
    rolesPath: texts(options.rolesClaim ?? 'roles'),
    clockToleranceMs: options.clockToleranceMs ?? DEFAULT_TOLERANCE_MS
  }
}

function keyOf (kind: typeof keyOptions[number], options: JwtAuthOptions): ResolvedJwt['key'] {
  const path = `${PATH}.${kind}`
  if (kind === 'secret') return secretKey(options.secret, options.algorithms, path)
  if (kind === 'publicKey') {
    return publicKey(options.publicKey, options.algorithms, path, `${PATH}.algorithms`)
  }
  return { url: jwksUrl(options.jwksUri ?? '', path), cooldownMs: options.cooldownMs ?? DEFAULT_COOLDOWN_MS }
}

/** Over plain http anybody on the way could put in a key of their own. */
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

function isTextOrTexts (value: unknown, path: string): void {
  if (!Array.isArray(value)) {
    isText(value, path)
    return
  }
  isTextArray(value, path)
  if (value.length === 0) throw new NoexOptionsError(path, 'must not be empty')
}

function texts (value: string | readonly string[]): string[] {
  return typeof value === 'string' ? [value] : [...value]
}
