import { createHash, timingSafeEqual } from 'node:crypto'
import { addressKey } from '../handshake/client-address.js'
import type { Origin } from '../protocol/session.js'
import { NoexServerError } from '../protocol/errors.js'
import type { Attempt, LoginLimiter } from '../limits/login-limiter.js'
import type { NoteOf } from '../store/row-scope.js'
import type { Directory, DirectoryWrite } from './directory.js'
import { nameKey } from './names.js'
import type { Passwords } from './passwords.js'
import type { User } from './records.js'
import type { NewSession, SessionService } from './session-service.js'
import { SUPERADMIN_ID } from './system-roles.js'

/** Number of tries of a login while another one renews the hash of its password. */
const MAX_TRIES = 3

/** The parts of the identity that `LoginService` uses. */
interface LoginServiceParts {
  readonly directory: Directory
  readonly sessions: SessionService
  readonly passwords: Passwords
  readonly limiter: LoginLimiter
  readonly adminSecret: string
  readonly isRevoked: (userId: string) => boolean
}

/** Logs users in by password or by the admin secret. */
export class LoginService {
  readonly #parts: LoginServiceParts
  readonly #secretHash: Buffer

  constructor (parts: LoginServiceParts) {
    this.#parts = parts
    this.#secretHash = sha256(parts.adminSecret)
  }

  /**
   * Begins a session when the password is right. `isConnected` tells whether the client is still connected.
   * @throws `RATE_LIMITED`, `UNAUTHORIZED`, `SESSION_REVOKED`
   */
  async withPassword (
    username: string, password: string, origin: Origin, isConnected: () => boolean, note?: NoteOf
  ): Promise<NewSession> {
    const { directory, sessions, limiter } = this.#parts
    const account = attemptKey(directory.findUser(username), username)
    const attempt = limiter.attemptLogin(account, addressKey(origin.remoteAddress))
    return await settleAttempt(attempt, async () => {
      for (let tries = 1; ; tries++) {
        const { user, writes } = await this.checkPassword(
          directory.findUser(username),
          password,
          'Invalid credentials'
        )
        const begun = await directory.exclusive(async () => {
          const current = directory.user(user.id)
          // Another login may have renewed the hash meanwhile: the password is the same, and is checked
          // again.
          if (current?.passwordHash !== user.passwordHash) return undefined
          // Only a client that knows the password learns this.
          if (!current.enabled) throw new NoexServerError('UNAUTHORIZED', 'Account disabled')
          attempt.succeeded()
          this.#refuseRevoked(current.id)
          requireConnected(isConnected)
          return await sessions.begin(current.id, origin, { writes, note })
        })
        if (begun !== undefined) return begun
        if (tries === MAX_TRIES) throw new NoexServerError('UNAUTHORIZED', 'Invalid credentials')
      }
    })
  }

  /**
   * Begins a session of the superadmin when the secret is right. `isConnected` as above.
   * @throws `RATE_LIMITED`, `UNAUTHORIZED`, `SESSION_REVOKED`
   */
  async withSecret (
    secret: string, origin: Origin, isConnected: () => boolean, note?: NoteOf
  ): Promise<NewSession> {
    const { directory, sessions, limiter } = this.#parts
    const attempt = limiter.attemptSecret(addressKey(origin.remoteAddress))
    // Hashes have equal length, so that the time of the comparison reveals nothing.
    if (!timingSafeEqual(sha256(secret), this.#secretHash)) {
      throw new NoexServerError('UNAUTHORIZED', 'Invalid credentials')
    }
    attempt.succeeded()
    this.#refuseRevoked(SUPERADMIN_ID)
    return await directory.exclusive(async () => {
      requireConnected(isConnected)
      return await sessions.begin(SUPERADMIN_ID, origin, { note })
    })
  }

  /**
   * Checks a password, with the same work for a user that does not exist. Returns the user, and the write
   * that replaces a hash with other settings than new ones have.
   * @throws `UNAUTHORIZED` with the message `refusal`
   */
  async checkPassword (
    user: User | undefined,
    password: string,
    refusal: string
  ): Promise<{ readonly user: User, readonly writes: DirectoryWrite[] }> {
    const { directory, passwords } = this.#parts
    const check = await passwords.check(password, user?.passwordHash, directory.hashSettings.inUse)
    if (user === undefined || !check.valid) throw new NoexServerError('UNAUTHORIZED', refusal)
    const { renewed } = check
    const writes: DirectoryWrite[] =
      renewed === undefined ? [] : [{ bucket: '_users', update: user.id, changes: { passwordHash: renewed } }]
    return { user, writes }
  }

  #refuseRevoked (userId: string): void {
    if (this.#parts.isRevoked(userId)) {
      throw new NoexServerError('SESSION_REVOKED', 'This user cannot log in at the moment')
    }
  }
}

/**
 * Returns the key on which attempts are counted: the same for every spelling of a name, also of no account.
 */
export function attemptKey (user: User | undefined, name: string): string {
  return user === undefined ? `name ${nameKey(name)}` : `user ${user.id}`
}

/** Runs `work`, and cancels the attempt where it fails for another reason than wrong credentials. */
export async function settleAttempt<T> (attempt: Attempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof NoexServerError) || error.code !== 'UNAUTHORIZED') attempt.cancelled()
    throw error
  }
}

/** Refuses to begin a session whose token no client would receive. */
function requireConnected (isConnected: () => boolean): void {
  if (!isConnected()) throw new NoexServerError('UNAUTHORIZED', 'The connection has ended')
}

function sha256 (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
