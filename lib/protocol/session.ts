/** The user of a token, as `auth.validate` returns it. */
export interface AuthSession {
  /** 1 to 256 characters. */
  userId: string
  /**
   * The name that operators know the user by, where it is another than the id: 1 to 256 characters. It is
   * shown beside the id, in the audit too; nothing depends on it.
   */
  userName?: string | undefined
  /** At most 100, of at most 256 characters each. */
  roles: readonly string[]
  /** Passed to `permissions.check`, never sent. */
  metadata?: object | undefined
  /**
   * The last moment of the session in epoch milliseconds, at most ten years ahead. Absent: until the
   * connection ends.
   */
  expiresAt?: number | undefined
}

/** The result of `auth.validate`. `null` counts as an absent property. */
export interface FoundSession extends Omit<AuthSession, 'userName' | 'metadata' | 'expiresAt'> {
  userName?: string | null | undefined
  metadata?: object | null | undefined
  expiresAt?: number | null | undefined
}

/**
 * Characters of a user id.
 * @limit the login fails
 */
export const MAX_USER_ID_CHARS = 256

/**
 * Roles of a session.
 * @limit the login fails
 */
const MAX_ROLES = 100
/**
 * Characters of a role.
 * @limit the login fails
 */
const MAX_ROLE_CHARS = 256

/** Returns whether a value can be a user id: well-formed Unicode of 1 to 256 characters. */
export function isUserId (value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false
  return value.length <= MAX_USER_ID_CHARS && value.isWellFormed()
}

/** Returns whether a value can be the roles of a user: at most 100 strings of at most 256 characters. */
export function isRoles (value: unknown): value is string[] {
  // `every` skips the holes of a sparse array; a copy has `undefined` there.
  return Array.isArray(value) && value.length <= MAX_ROLES && Array.from(value).every(isRole)
}

function isRole (value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_ROLE_CHARS && value.isWellFormed()
}

/** A user that is logged in. */
export interface Session {
  readonly userId: string
  /** The name that people know the user by, where it has one beside the id. */
  readonly userName?: string | undefined
  /** The roles at this moment. */
  readonly roles: readonly string[]
  readonly metadata?: object | undefined
  /** Epoch milliseconds; `undefined`: until the connection ends. */
  readonly expiresAt?: number | undefined
  /** Time for which the session continues after `expiresAt`, since clocks differ, in milliseconds. */
  readonly toleranceMs?: number
  /**
   * `ended`: the client may log in again; `barred`: the user is deleted, disabled or revoked, and the
   * connection is closed.
   */
  readonly state: 'live' | 'ended' | 'barred'
}

/** Returns a copy for the application, so that a change to it does not change the rights of the user. */
export function shownSession ({ userId, userName, roles, metadata, expiresAt }: Session): AuthSession {
  const shown = Object.isFrozen(roles) ? roles : Object.freeze([...roles])
  return { userId, ...(userName !== undefined && { userName }), roles: shown, metadata, expiresAt }
}

/** The origin of a client, as far as an authenticator may know it. */
export interface Origin {
  /** The address of the client, by which limits, log and audit identify it. */
  readonly remoteAddress: string
  /** `null` for a plain HTTP request. */
  readonly connectionId: string | null
  /**
   * The headers of the upgrade request. `cookie` and `authorization`, which a browser adds by itself, are
   * included only when `allowedOrigins` is set: otherwise a page of any site could log in as its visitor.
   */
  readonly headers: RequestHeaders
}

/** The headers of a request by lower-case name, as Node returns them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

/** Limit of the lifetime of a session, in milliseconds: ten years. A later moment must be in another unit. */
export const MAX_LIFETIME_MS = 3_653 * 86_400_000

/** The latest number that is taken for seconds: the end of 2100; in milliseconds, February 1970. */
const MAX_SECONDS = 4_133_980_799

/** The earliest number that is taken for seconds: September 2001. */
const MIN_SECONDS = 1_000_000_000

/**
 * Returns the problem with a time of expiry in epoch milliseconds; `undefined` for a valid one, which may be
 * in the past.
 */
function expiryProblem (value: unknown, now: number): string | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return 'must be a number of milliseconds'
  if (value >= MIN_SECONDS && value <= MAX_SECONDS) {
    return 'must be in milliseconds since 1970; this is in seconds'
  }
  if (value > now + MAX_LIFETIME_MS) return 'must not be more than ten years ahead'
  return undefined
}

/**
 * Reads a session that the application has given, each member once; the roles are copied, so that later
 * changes of its array do not change rights. `null` counts as an absent member.
 * @throws {TypeError} that names the member which is wrong
 */
export function readSession (
  given: object, now: number
): Pick<Session, 'userId' | 'userName' | 'roles' | 'metadata' | 'expiresAt'> {
  const { userId, userName, roles: list, metadata, expiresAt } = given as Readonly<Record<string, unknown>>
  const roles = Array.isArray(list) && list.length <= MAX_ROLES ? Array.from<unknown>(list) : undefined
  if (!isUserId(userId)) {
    throw new TypeError(`userId must be a well-formed text of 1 to ${MAX_USER_ID_CHARS} characters`)
  }
  if (!isRoles(roles)) {
    throw new TypeError(
      `roles must be an array of at most ${MAX_ROLES} well-formed texts, ` +
      `each of at most ${MAX_ROLE_CHARS} characters`
    )
  }
  if (userName != null && !isUserId(userName)) {
    throw new TypeError(`userName must be a well-formed text of 1 to ${MAX_USER_ID_CHARS} characters`)
  }
  if (metadata != null && typeof metadata !== 'object') throw new TypeError('metadata must be an object')
  const problem = expiresAt == null ? undefined : expiryProblem(expiresAt, now)
  if (problem !== undefined) throw new TypeError(`expiresAt ${problem}`)
  return {
    userId,
    userName: (userName ?? undefined) as string | undefined,
    roles: Object.freeze(roles),
    metadata: metadata ?? undefined,
    expiresAt: (expiresAt ?? undefined) as number | undefined
  }
}

/** Returns the last moment of a session in epoch milliseconds; `undefined` where it does not expire. */
export function endOf ({ expiresAt, toleranceMs = 0 }: Session): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt + toleranceMs
}

/** Returns whether a session has expired; at its last moment it has not. */
export function isExpired (session: Session, now: number): boolean {
  const end = endOf(session)
  return end !== undefined && end < now
}
