import { createHash, timingSafeEqual } from 'node:crypto'
import { addressKey } from '../handshake/client-address.js'
import type { Origin } from '../protocol/session.js'
import { NoexServerError } from '../protocol/errors.js'
import { connectionEnded, invalidCredentials, userRevoked } from '../protocol/refusals.js'
import type { Attempt, LoginLimiter } from '../limits/login-limiter.js'
import type { NoteOf } from '../store/row-scope.js'
import type { Directory, DirectoryWrite } from './directory.js'
import { nameKey } from './names.js'
import type { Passwords } from './passwords.js'
import type { User } from './records.js'
import type { NewSession, SessionService } from './session-service.js'
import { SUPERADMIN_ID } from './system-roles.js'

/** Tries that a login has when the hash of its password is being renewed. */
const MAX_TRIES = 3

/** What logins need. */
export interface LoginServiceParts {
  readonly directory: Directory
  readonly sessions: SessionService
  readonly passwords: Passwords
  readonly limiter: LoginLimiter
  readonly adminSecret: string
  readonly isRevoked: (userId: string) => boolean
}

/** Lets users in: by password or by the admin secret. */
export class LoginService {
  readonly #parts: LoginServiceParts
  readonly #secretHash: Buffer

  constructor (parts: LoginServiceParts) {
    this.#parts = parts
    this.#secretHash = sha256(parts.adminSecret)
  }

  /**
   * Begins a session for whoever knows the password. `isHere` says whether the client still is.
   * @throws `RATE_LIMITED`, `UNAUTHORIZED`, `SESSION_REVOKED`
   */
  async withPassword (
    username: string, password: string, origin: Origin, isHere: () => boolean, note?: NoteOf
  ): Promise<NewSession> {
    const { directory, sessions, limiter } = this.#parts
    const account = attemptKey(directory.findUser(username), username)
    const attempt = limiter.attemptLogin(account, addressKey(origin.remoteAddress))
    return await settled(attempt, async () => {
      for (let tries = 1; ; tries++) {
        const found = directory.findUser(username)
        const { user, writes } = await this.checkPassword(found, password, invalidCredentials())
        const begun = await directory.exclusive(async () => {
          const current = directory.user(user.id)
          // Another login may have renewed the hash meanwhile: then the password is still the same, and is
          // checked again.
          if (current?.passwordHash !== user.passwordHash) return undefined
          // Only who knows the password is told.
          if (!current.enabled) throw new NoexServerError('UNAUTHORIZED', 'Account disabled')
          attempt.succeeded()
          this.#refuseRevoked(current.id)
          requirePresence(isHere)
          return await sessions.begin(current.id, origin, { writes, note })
        })
        if (begun !== undefined) return begun
        if (tries === MAX_TRIES) throw invalidCredentials()
      }
    })
  }

  /**
   * Begins a session of the superadmin.
   * @throws `RATE_LIMITED`, `UNAUTHORIZED`, `SESSION_REVOKED`
   */
  async withSecret (
    secret: string, origin: Origin, isHere: () => boolean, note?: NoteOf
  ): Promise<NewSession> {
    const { directory, sessions, limiter } = this.#parts
    const attempt = limiter.attemptSecret(addressKey(origin.remoteAddress))
    // Hashes are of equal length, so comparing them takes a time that tells nothing.
    if (!timingSafeEqual(sha256(secret), this.#secretHash)) {
      throw invalidCredentials()
    }
    attempt.succeeded()
    this.#refuseRevoked(SUPERADMIN_ID)
    return await directory.exclusive(async () => {
      requirePresence(isHere)
      return await sessions.begin(SUPERADMIN_ID, origin, { note })
    })
  }

  /**
   * Checks a password, doing the same work for a user that does not exist. Returns the user, and the write
   * that renews a hash which is weaker than those of today.
   * @throws `UNAUTHORIZED` with `refusal`
   */
  async checkPassword (
    user: User | undefined,
    password: string,
    refusal: NoexServerError
  ): Promise<{ readonly user: User, readonly writes: DirectoryWrite[] }> {
    const { directory, passwords } = this.#parts
    const check = await passwords.check(password, user?.passwordHash, directory.hashSettings.inUse)
    if (user === undefined || !check.valid) throw refusal
    const { renewed } = check
    const writes: DirectoryWrite[] =
      renewed === undefined ? [] : [{ bucket: '_users', update: user.id, changes: { passwordHash: renewed } }]
    return { user, writes }
  }

  #refuseRevoked (userId: string): void {
    if (this.#parts.isRevoked(userId)) throw userRevoked()
  }
}

/**
 * Returns the account on which attempts count: the same for every spelling of its name, whether or not there
 * is such an account.
 */
export function attemptKey (user: User | undefined, name: string): string {
  return user === undefined ? `name ${nameKey(name)}` : `user ${user.id}`
}

/** Gives an attempt back that has found nothing out, because something else has failed. */
export async function settled<T> (attempt: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof NoexServerError) || error.code !== 'UNAUTHORIZED') attempt.cancelled()
    throw error
  }
}

/** A session that nobody has been told of would be a loose end. */
function requirePresence (isHere: () => boolean): void {
  if (!isHere()) throw connectionEnded()
}

function sha256 (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
