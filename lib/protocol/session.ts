/** Who presents a token. */
export interface AuthSession {
  /** 1 to 256 characters. */
  userId: string
  /** At most 100, of at most 256 characters each. */
  roles: readonly string[]
  /** Kept for `permissions.check`, never sent. */
  metadata?: object | undefined
  /**
   * Epoch milliseconds, at most ten years ahead; the session is good until then, this moment included.
   * Absent: until the connection ends.
   */
  expiresAt?: number | undefined
}

/** What `auth.validate` resolves with. In it `null` is as good as an absent member. */
export interface FoundSession extends Omit<AuthSession, 'metadata' | 'expiresAt'> {
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
export const MAX_ROLES = 100
/**
 * Characters of a role.
 * @limit the login fails
 */
export const MAX_ROLE_CHARS = 256

/** Whether a value may be the id of a user: a text of 1 to 256 characters, well-formed Unicode. */
export function isUserId (value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false
  return value.length <= MAX_USER_ID_CHARS && value.isWellFormed()
}

/** Whether a value may be the roles of a user: at most 100 texts of at most 256 characters, without holes. */
export function isRoles (value: unknown): value is string[] {
  // A copy has `undefined` where the array has a hole, which `every` would leave out.
  return Array.isArray(value) && value.length <= MAX_ROLES && Array.from(value).every(isRole)
}

function isRole (value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_ROLE_CHARS && value.isWellFormed()
}

/** Somebody who is logged in, as everything behind the gate sees it. */
export interface Session {
  readonly userId: string
  /** The roles that count now. */
  readonly roles: readonly string[]
  readonly metadata?: object | undefined
  /** Epoch milliseconds; `undefined`: until the connection ends. */
  readonly expiresAt?: number | undefined
  /** Milliseconds for which it goes on after that, since clocks differ. */
  readonly toleranceMs?: number
  /**
   * `ended`: the client may log in again; `barred`: the user is gone or disabled, and the connection with it.
   */
  readonly state: 'live' | 'ended' | 'barred'
}

/** Where a client comes from, as far as whoever checks its credentials may know. */
export interface Origin {
  /** The client's address: what the limits, the log and the audit go by. */
  readonly remoteAddress: string
  /** `null` for a plain HTTP request. */
  readonly connectionId: string | null
  /**
   * Of the upgrade request. What a browser adds by itself, `cookie` and `authorization`, is among them only
   * when `allowedOrigins` is set: else a page of any site could log in as whoever looks at it.
   */
  readonly headers: RequestHeaders
}

/** The headers of a request by their lower-case names, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

/**
 * No credential is good for longer, in milliseconds: ten years. A moment further ahead is one in another
 * unit.
 */
export const MAX_LIFETIME_MS = 3_653 * 86_400_000

/**
 * The latest moment, in seconds, that is taken for one in seconds: the end of 2100. In milliseconds that is
 * February 1970.
 */
const MAX_SECONDS = 4_133_980_799

/** The earliest: September 2001. */
const MIN_SECONDS = 1_000_000_000

/**
 * Tells what is wrong with a moment at which something ends, in epoch milliseconds; `undefined` when nothing
 * is. The past is not wrong.
 */
export function expiryProblem (value: unknown, now: number): string | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return 'must be a number of milliseconds'
  if (value >= MIN_SECONDS && value <= MAX_SECONDS) {
    return 'must be in milliseconds since 1970; this is in seconds'
  }
  if (value > now + MAX_LIFETIME_MS) return 'must not be more than ten years ahead'
  return undefined
}

/**
 * Returns the last moment at which a session counts, in epoch milliseconds; `undefined`: it does not run out.
 */
export function endOf ({ expiresAt, toleranceMs = 0 }: Session): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt + toleranceMs
}

/** Whether a session has run out; the last moment still counts. */
export function isExpired (session: Session, now: number): boolean {
  const end = endOf(session)
  return end !== undefined && end < now
}
