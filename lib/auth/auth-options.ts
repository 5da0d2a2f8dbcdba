import { gatewayOptions, type GatewayOptions } from '../handshake/gateway-options.js'
import { loginRateLimit, type LoginRateLimitOptions } from '../limits/login-limiter.js'
import type { OperationNames } from '../permissions/operation-names.js'
import {
  permissionOptions, type PermissionConfig, type PermissionRule
} from '../permissions/permission-options.js'
import type { FoundSession, Origin } from '../protocol/session.js'
import {
  NoexOptionsError, option, optional, options, required, requireObject, type Resolved, type Schema
} from '../util/option-schema.js'
import {
  boolean, callback, integer, MAX_INTEGER, nonEmptyText, orFalse, timerMs, type
} from '../util/option-types.js'

/** The options that say who a client is. */
export interface LoginOptions {
  /**
   * Who may connect and do what: tokens that the application validates, the identity headers of a gateway, or
   * accounts in the store. Without it, every client may read and write everything: see [Login](auth.md) and
   * [Permissions](permissions.md).
   * @default none
   */
  auth?: AuthOptions | undefined
  /**
   * Time that a client has to log in, after it has connected and after it has logged out, where a login is
   * required, in milliseconds.
   * @limit close 1008 `login_timeout`
   * @default 60_000
   */
  loginTimeoutMs?: number | undefined
  /** How long revoked users are kept out. */
  revocation?: RevocationOptions | undefined
}

/** The option `revocation`. */
export interface RevocationOptions {
  /**
   * Time for which a revoked user cannot log in, in milliseconds.
   * @default 3_600_000
   */
  blacklistTtlMs?: number | undefined
}

/** The option of every mode of authentication for programs that watch the service. */
interface ScrapeAuth {
  /**
   * A token that reads `/metrics` and `/stats` and does nothing else, for Prometheus: sent as
   * `Authorization: Bearer`, valid until it is changed. At least 16 characters without blanks; a warning
   * where it can be guessed.
   * @default none
   */
  scrapeToken?: string | undefined
}

/** The options of every mode with tokens. */
export interface TokenAuth extends ScrapeAuth {
  /**
   * Whether a client must log in before it may do anything. With `false`, anonymous clients may do what the
   * role `anonymous` may; without `permissions`, or by `default: 'allow'`, they may read and write
   * everything.
   * @default true
   */
  required?: boolean | undefined
  /**
   * Rights of each role: see [Permissions](permissions.md). Without it every role may read and write,
   * `admin` may do everything, `writer` and `reader` as much as their names say.
   * @default none
   */
  permissions?: PermissionConfig | undefined
}

/** The option `auth` with tokens that the application issues or checks. */
export interface ExternalAuth extends TokenAuth {
  /**
   * Tells whose token this is; returns, or resolves with, `null` or `undefined` for a token that is not
   * valid. An error, and an answer of another form, is logged and answered with `INTERNAL_ERROR`, except for
   * a `NoexServerError`, which the client is sent. `origin.connectionId` is `null` for a request to `/stats`.
   */
  validate: (
    token: string, origin: Origin
  ) => Promise<FoundSession | null | undefined> | FoundSession | null | undefined
  /**
   * When a token is checked again before a request or a push: `false`, never; `0`, each time; otherwise when
   * so many milliseconds have passed since it was last checked.
   * @default false
   */
  revalidateMs?: number | false | undefined
  /**
   * Time within which `validate` must settle, in milliseconds. After it the request is answered with
   * `INTERNAL_ERROR`.
   * @limit `INTERNAL_ERROR`
   * @default 30_000
   */
  validateTimeoutMs?: number | undefined
}

/** The option `auth` with the identity headers of a proxy in front. */
export interface GatewayAuth extends ScrapeAuth {
  /** The proxy, and its headers. */
  gateway: GatewayOptions
  /**
   * Rights of each role, as in `ExternalAuth`.
   * @default none
   */
  permissions?: PermissionConfig | undefined
}

/** The option `auth` with accounts in the store. */
export interface BuiltInAuth extends ScrapeAuth {
  /** Chooses this form of `auth`. */
  builtIn: true
  /** Logs in as the superadmin, who sets up everything else. A warning below 16 characters. */
  adminSecret: string
  /**
   * Time that a session lasts, in milliseconds.
   * @limit `UNAUTHORIZED`, `Session expired`
   * @default 86_400_000
   */
  sessionTtl?: number | undefined
  /**
   * Characters that a new password must have.
   * @default 8
   */
  passwordMinLength?: number | undefined
  /**
   * Sessions of one user; one more ends the oldest.
   * @limit the oldest session ends
   * @default 10
   */
  maxSessionsPerUser?: number | undefined
  /** How often a password may be guessed. */
  loginRateLimit?: LoginRateLimitOptions | undefined
}

/** The option `auth`. */
export type AuthOptions = ExternalAuth | GatewayAuth | BuiltInAuth

const durationOrFalse = orFalse(integer(0, MAX_INTEGER))

/** Tokens as a header can have them (RFC 6750), long enough not to be guessed one by one. */
const scrapeToken = type(
  'text of at least 16 characters',
  'must be a text of 16 to 4096 visible ASCII characters without blanks',
  value => typeof value === 'string' && /^[!-~]{16,4096}$/.test(value)
)

export const externalOptions = options<ExternalAuth>()({
  validate: required(callback),
  required: option(boolean, true),
  permissions: optional(permissionOptions),
  revalidateMs: option(durationOrFalse, false),
  validateTimeoutMs: option(timerMs, 30_000),
  scrapeToken: option(scrapeToken, undefined)
})

export const gatewayAuthOptions = options<GatewayAuth>()({
  gateway: gatewayOptions,
  permissions: optional(permissionOptions),
  scrapeToken: option(scrapeToken, undefined)
})

export const builtInOptions = options<BuiltInAuth>()({
  builtIn: required(type('`true`', 'must be true', value => value === true)),
  adminSecret: required(nonEmptyText),
  // A date ends at 8.64e15 ms: this leaves room for the moment plus the time to live.
  sessionTtl: option(integer(1, 1e15), 86_400_000),
  passwordMinLength: option(integer(1, 1_024), 8),
  maxSessionsPerUser: option(integer(1, MAX_INTEGER), 10),
  loginRateLimit,
  scrapeToken: option(scrapeToken, undefined)
})

/** The options of external authentication with their defaults, checked. */
export type ResolvedExternal = Resolved<typeof externalOptions>

/** The options of the accounts in the store with their defaults, checked. */
export type ResolvedBuiltIn = Omit<Resolved<typeof builtInOptions>, 'builtIn' | 'scrapeToken'>

/** The option `auth` with its defaults, checked. */
export type ResolvedAuth =
  | ({ readonly mode: 'external' } & ResolvedExternal)
  | ({ readonly mode: 'gateway' } & Resolved<typeof gatewayAuthOptions>)
  | ({ readonly mode: 'builtIn', readonly scrapeToken: string | undefined } & ResolvedBuiltIn)

/** The option `auth`, whose members say which of its forms it has. */
const authOptions: Schema<ResolvedAuth | undefined> = {
  resolve (given, path) {
    if (given === undefined) return undefined
    const auth = requireObject(given, path)
    if (auth['gateway'] !== undefined) return { ...gatewayAuthOptions.resolve(auth, path), mode: 'gateway' }
    if (auth['builtIn'] !== undefined) return { ...builtInOptions.resolve(auth, path), mode: 'builtIn' }
    return { ...externalOptions.resolve(auth, path), mode: 'external' }
  }
}

export const loginOptions = options<LoginOptions>()({
  auth: authOptions,
  loginTimeoutMs: option(timerMs, 60_000),
  revocation: options<RevocationOptions>()({ blacklistTtlMs: option(integer(1, MAX_INTEGER), 3_600_000) })
})

/**
 * Checks the option `auth` and fills in its defaults; `undefined` stays so.
 * @throws {NoexOptionsError}
 */
export function resolveAuth (auth: unknown): ResolvedAuth | undefined {
  return authOptions.resolve(auth, 'auth')
}

/** The path of `permissionRules`. */
export const RULES_PATH = 'auth.permissions.rules'

/** Throws unless every operation that `permissions` allow exists. @throws {NoexOptionsError} */
export function checkAllowed (auth: ResolvedAuth | undefined, operations: OperationNames): void {
  permissionRules(auth).forEach((rule, i) => {
    const found = operations.problemIn(rule)
    if (found !== undefined) throw new NoexOptionsError(`${RULES_PATH}[${i}].${found.path}`, found.problem)
  })
}

/** Returns the rules of `permissions`, in the modes that have them; their place is `RULES_PATH`. */
export function permissionRules (auth: ResolvedAuth | undefined): readonly PermissionRule[] {
  return auth === undefined || auth.mode === 'builtIn' ? [] : auth.permissions?.rules ?? []
}
