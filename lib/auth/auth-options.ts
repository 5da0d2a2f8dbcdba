import {
  checkGroup,
  isBoolean,
  isFunction,
  isInteger,
  isPlainObject,
  isSynchronousFunction,
  isText,
  MAX_TIMER_MS,
  merge,
  NoexOptionsError,
  type Checks
} from '../util/option-schema.js'
import { gatewayHeaders, type GatewayOptions } from '../handshake/gateway-headers.js'
import type { OperationNames } from '../permissions/operation-names.js'
import { ANONYMOUS, type PermissionConfig, type PermissionRule } from '../permissions/rule-policy.js'
import { ruleProblem } from '../permissions/permission.js'
import type { FoundSession, Origin } from '../protocol/session.js'
import { Where } from '../permissions/where.js'

/** `auth` with tokens that the application issues or knows how to check. */
export interface ExternalAuth {
  /**
   * Whose token this is; `null` or `undefined` when it is no good. What it throws, and an answer of another
   * form, is logged
   * and answered with `INTERNAL_ERROR`, except for a `NoexServerError`, which the client is sent.
   * `origin.connectionId` is `null` for a request to `/stats`.
   */
  validate: (
    token: string, origin: Origin
  ) => Promise<FoundSession | null | undefined> | FoundSession | null | undefined
  /**
   * Whether a client must log in before it may do anything.
   * @default true
   */
  required?: boolean | undefined
  /**
   * @default none: every role may read and write, `admin` may do everything, `writer` and `reader` as much as
   * their names say
   */
  permissions?: PermissionConfig | undefined
  /**
   * When `validate` is asked again whether the token is still good, before a request or a push: `false`,
   * never; 0, each time; otherwise when so many milliseconds have passed since it was last asked.
   * @default false
   */
  revalidateMs?: number | false | undefined
  /**
   * Time within which `validate` must settle, in milliseconds. After it the request is answered
   * `INTERNAL_ERROR`.
   * @default 30_000
   */
  validateTimeoutMs?: number | undefined
}

/** `auth` with the identity headers of a proxy in front. */
export interface GatewayAuth {
  gateway: GatewayOptions
  /** As in `ExternalAuth`. */
  permissions?: PermissionConfig | undefined
}

/** `auth` with accounts in the store. */
export interface BuiltInAuth {
  builtIn: true
  /** Logs in as the superadmin, who sets up everything else. Not empty; a warning below 16 characters. */
  adminSecret: string
  /**
   * Time that a session lasts.
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
   * @default 10
   */
  maxSessionsPerUser?: number | undefined
  loginRateLimit?: {
    /**
     * Failed logins to one account within the window. From one address ten times as many.
     * @default 5
     */
    maxAttempts?: number | undefined
    /** @default 900_000 */
    windowMs?: number | undefined
  } | undefined
}

/** The option `auth`. */
export type AuthOptions = ExternalAuth | GatewayAuth | BuiltInAuth

/** `auth` with every default filled in, and checked. */
export type ResolvedAuth =
  | ({ readonly mode: 'external' } & ResolvedExternal)
  | {
    readonly mode: 'gateway'
    readonly gateway: GatewayOptions
    readonly permissions: PermissionConfig | undefined
  }
  | ({ readonly mode: 'builtIn' } & ResolvedBuiltIn)

/** The options of external authentication with every default filled in. */
export interface ResolvedExternal {
  readonly validate: ExternalAuth['validate']
  readonly required: boolean
  readonly permissions: PermissionConfig | undefined
  readonly revalidateMs: number | false
  readonly validateTimeoutMs: number
}

/** The options of the built-in identity with every default filled in. */
export interface ResolvedBuiltIn {
  readonly adminSecret: string
  readonly sessionTtl: number
  readonly passwordMinLength: number
  readonly maxSessionsPerUser: number
  readonly loginRateLimit: { readonly maxAttempts: number, readonly windowMs: number }
}

type Mode = ResolvedAuth['mode']

/** The defaults of each form. */
export const authDefaults: Readonly<Record<Mode, object>> = {
  external: { required: true, permissions: undefined, revalidateMs: false, validateTimeoutMs: 30_000 },
  gateway: { permissions: undefined },
  builtIn: {
    sessionTtl: 86_400_000,
    passwordMinLength: 8,
    maxSessionsPerUser: 10,
    loginRateLimit: { maxAttempts: 5, windowMs: 900_000 }
  }
}

const MAX = Number.MAX_SAFE_INTEGER

/** Where `permissionRules` stand. */
export const RULES_PATH = 'auth.permissions.rules'

const checks: Readonly<Record<Mode, Checks>> = {
  external: {
    validate: isFunction,
    required: isBoolean,
    permissions: isPermissions,
    revalidateMs: isDurationOrFalse,
    validateTimeoutMs: isInteger(1, MAX_TIMER_MS)
  },
  gateway: { gateway: (value) => { gatewayHeaders(value as GatewayOptions) }, permissions: isPermissions },
  builtIn: {
    builtIn: isTrue,
    adminSecret: isText,
    // Dates end at 8.64e15.
    sessionTtl: isInteger(1, 1e15),
    passwordMinLength: isInteger(1, 1_024),
    maxSessionsPerUser: isInteger(1, MAX),
    loginRateLimit: { maxAttempts: isInteger(1, 1e9), windowMs: isInteger(1, MAX) }
  }
}

/** The member that each form cannot do without. */
const required: Readonly<Record<Mode, string>> = {
  external: 'validate',
  gateway: 'gateway',
  builtIn: 'adminSecret'
}

/**
 * Checks the option `auth` and fills in its defaults; `undefined` stays so.
 * @throws {NoexOptionsError}
 */
export function resolveAuth (auth: unknown): ResolvedAuth | undefined {
  if (auth === undefined) return undefined
  if (!isPlainObject(auth)) throw new NoexOptionsError('auth', 'must be an object')
  const mode: Mode =
    auth['gateway'] !== undefined ? 'gateway' : auth['builtIn'] !== undefined ? 'builtIn' : 'external'
  checkGroup(auth, checks[mode], 'auth.')
  const member = required[mode]
  if (auth[member] === undefined) throw new NoexOptionsError(`auth.${member}`, 'is required')
  return { ...merge(authDefaults[mode], auth, checks[mode]), mode } as unknown as ResolvedAuth
}

function isTrue (value: unknown, path: string): void {
  if (value !== true) throw new NoexOptionsError(path, 'must be true')
}

function isDurationOrFalse (value: unknown, path: string): void {
  if (value !== false) isInteger(0, MAX)(value, path)
}

const permissionChecks: Checks = { default: isDefault, rules: isRules, check: isSynchronousFunction }

function isPermissions (value: unknown, path: string): void {
  if (!isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object')
  checkGroup(value, permissionChecks, `${path}.`)
}

function isDefault (value: unknown, path: string): void {
  if (value !== 'allow' && value !== 'deny') throw new NoexOptionsError(path, 'must be "allow" or "deny"')
}

function isRules (value: unknown, path: string): void {
  if (!Array.isArray(value)) throw new NoexOptionsError(path, 'must be an array')
  value.forEach((rule: unknown, i) => {
    const at = `${path}[${i}]`
    if (!isPlainObject(rule)) throw new NoexOptionsError(at, 'must be an object')
    const { role, ...entry } = rule
    isText(role, `${at}.role`)
    const found = ruleProblem(entry)
    if (found !== undefined) {
      throw new NoexOptionsError(found.path === '' ? at : `${at}.${found.path}`, found.problem)
    }
    if (
      role === ANONYMOUS &&
      entry['where'] !== undefined &&
      new Where(entry['where'] as Record<string, unknown>).isPersonal
    ) {
      throw new NoexOptionsError(`${at}.where`, 'asks for the user, and an anonymous client has none')
    }
  })
}

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
