import type { Origin, Session } from '../protocol/session.js'
import { invalid, NoexServerError } from '../protocol/errors.js'
import type { LoginLimiter } from '../limits/login-limiter.js'
import { isPlainObject } from '../util/option-schema.js'
import { checkPassword, checkProfile, type UserInput } from './account-input.js'
import {
  causeOf, isAdmin, keepLastSuperadmin, requireAuthorityOver, requireUser, sessionOf, type Actor
} from './authority.js'
import type { Directory, DirectoryWrite } from './directory.js'
import { attemptKey, settleAttempt, type LoginService } from './login-service.js'
import { checkName, nameKey } from './names.js'
import type { Passwords } from './passwords.js'
import type { User } from './records.js'
import type { NewSession, SessionService } from './session-service.js'
import { SUPERADMIN_ID } from './system-roles.js'

/** The parts of the identity that `UserService` uses. */
interface UserServiceParts {
  readonly directory: Directory
  readonly sessions: SessionService
  readonly passwords: Passwords
  readonly limiter: LoginLimiter
  readonly logins: LoginService
  readonly passwordMinLength: number
}

const MAX_PAGE_SIZE = 200
const DEFAULT_PAGE_SIZE = 50

/**
 * Manages accounts. Each change is checked and made in one step, and is applied to open connections first.
 */
export class UserService {
  readonly #parts: UserServiceParts

  constructor (parts: UserServiceParts) {
    this.#parts = parts
  }

  /** Creates an account. @throws `VALIDATION_ERROR`, `ALREADY_EXISTS` */
  async create (actor: Actor, input: UserInput): Promise<User> {
    const { directory, passwords, passwordMinLength } = this.#parts
    const username = checkName(input.username, 'username', 3, 64)
    // The server has ids and names of this form.
    if (nameKey(username).startsWith('__')) throw invalid('username', 'must not start with "__"')
    checkPassword(input.password, passwordMinLength, 'password')
    const profile = checkProfile({
      ...(typeof input.displayName === 'string' && { displayName: input.displayName }),
      ...(typeof input.email === 'string' && { email: input.email }),
      ...(isPlainObject(input.metadata) && { metadata: input.metadata })
    })
    this.#refuseTaken(username)
    const passwordHash = await passwords.hash(input.password)
    return await directory.exclusive(async () => {
      const session = sessionOf(actor)
      this.#refuseTaken(username)
      const insert = { username, passwordHash, enabled: input.enabled !== false, ...profile }
      const [user] = await directory.write([{ bucket: '_users', insert }], causeOf(actor, session))
      return user as unknown as User
    })
  }

  #refuseTaken (username: string): void {
    if (!this.#parts.directory.isUserNameTaken(username)) return
    throw new NoexServerError('ALREADY_EXISTS', 'There is a user with this name, or one that looks like it')
  }

  /** Returns an account. @throws `NOT_FOUND` */
  get (userId: string): User {
    return requireUser(this.#parts.directory, userId)
  }

  /** Returns one page of accounts, counted from 1, in the order of their creation. */
  list (page: unknown, pageSize: unknown): { users: User[], total: number, page: number, pageSize: number } {
    const all = this.#parts.directory.users()
    const number = Math.max(1, wholeOr(page, 1))
    const size = Math.min(MAX_PAGE_SIZE, Math.max(1, wholeOr(pageSize, DEFAULT_PAGE_SIZE)))
    return {
      users: all.slice((number - 1) * size, number * size),
      total: all.length,
      page: number,
      pageSize: size
    }
  }

  /**
   * Changes the profile of an account. Absent properties stay; a property of another type is cleared.
   * @throws `FORBIDDEN`, `NOT_FOUND`
   */
  async update (
    actor: Actor,
    userId: string,
    changes: { readonly displayName?: unknown, readonly email?: unknown, readonly metadata?: unknown }
  ): Promise<User> {
    return await this.#change(actor, userId, session => {
      if (session.userId !== userId && !isAdmin(session)) {
        throw new NoexServerError('FORBIDDEN', 'Only administrators may change other users')
      }
    }, () => {
      const { displayName, email, metadata } = changes
      const profile = checkProfile({
        ...(displayName !== undefined && {
          displayName: typeof displayName === 'string' ? displayName : null
        }),
        ...(email !== undefined && { email: typeof email === 'string' ? email : null }),
        ...(metadata !== undefined && { metadata: isPlainObject(metadata) ? metadata : {} })
      })
      return Object.keys(profile).length === 0 ? [] : [{ bucket: '_users', update: userId, changes: profile }]
    })
  }

  /** Enables or disables an account; disabling it ends its sessions. @throws `FORBIDDEN`, `NOT_FOUND` */
  async setEnabled (actor: Actor, userId: string, enabled: boolean): Promise<User> {
    const { directory, sessions } = this.#parts
    return await this.#change(actor, userId, session => {
      if (userId === SUPERADMIN_ID && !enabled) {
        throw new NoexServerError('FORBIDDEN', 'The superadmin cannot be disabled')
      }
      if (!enabled) keepLastSuperadmin(directory, session, userId)
    }, user => [
      ...(user.enabled === enabled
        ? []
        : [{ bucket: '_users' as const, update: userId, changes: { enabled } }]),
      ...(enabled ? [] : sessions.deletionsFor(userId))
    ])
  }

  /**
   * Deletes an account with its sessions, roles, access and ownership, in one step. @throws `FORBIDDEN`,
   * `NOT_FOUND`
   */
  async delete (actor: Actor, userId: string): Promise<void> {
    const { directory, sessions } = this.#parts
    await directory.exclusive(async () => {
      const session = sessionOf(actor)
      if (userId === SUPERADMIN_ID) throw new NoexServerError('FORBIDDEN', 'The superadmin cannot be deleted')
      requireUser(directory, userId)
      requireAuthorityOver(directory, session, userId)
      keepLastSuperadmin(directory, session, userId)
      await directory.write([
        { bucket: '_users', delete: userId },
        ...sessions.deletionsFor(userId),
        ...directory.assignmentsOf(userId).map(({ id }) => ({ bucket: '_user_roles' as const, delete: id })),
        ...directory.aclOfSubject('user', userId).map(({ id }) => ({ bucket: '_acl' as const, delete: id })),
        ...directory.ownedBy(userId).map(({ id }) => ({ bucket: '_resource_owners' as const, delete: id }))
      ], causeOf(actor, session))
    })
  }

  /**
   * Replaces the user's own password, ends all its sessions and begins a new one for the client.
   * @throws `FORBIDDEN`, `VALIDATION_ERROR`, `NOT_FOUND`, `RATE_LIMITED`, `UNAUTHORIZED`
   */
  async changePassword (
    actor: Actor,
    userId: string,
    current: string,
    next: string,
    origin: Origin
  ): Promise<NewSession> {
    const { directory, passwords, limiter, logins, sessions, passwordMinLength } = this.#parts
    if (sessionOf(actor).userId !== userId) {
      throw new NoexServerError('FORBIDDEN', 'Only the user may do this')
    }
    checkPassword(next, passwordMinLength, 'newPassword')
    const user = requireUser(directory, userId)
    const attempt = limiter.attemptPassword(attemptKey(user, user.username))
    await settleAttempt(
      attempt,
      async () => await logins.checkPassword(user, current, 'The current password is wrong')
    )
    attempt.succeeded()
    const passwordHash = await passwords.hash(next)
    return await directory.exclusive(async () => {
      sessionOf(actor)
      if (directory.user(userId)?.passwordHash !== user.passwordHash) {
        throw new NoexServerError('CONFLICT', 'The password was changed meanwhile')
      }
      return await sessions.begin(userId, origin, {
        writes: [
          { bucket: '_users', update: userId, changes: { passwordHash } }, ...sessions.deletionsFor(userId)
        ],
        note: actor.note
      })
    })
  }

  /**
   * Replaces the password of a user and ends all its sessions.
   * @throws `FORBIDDEN`, `VALIDATION_ERROR`, `NOT_FOUND`
   */
  async resetPassword (actor: Actor, userId: string, next: string): Promise<void> {
    const { directory, passwords, sessions, passwordMinLength } = this.#parts
    checkPassword(next, passwordMinLength, 'newPassword')
    requireUser(directory, userId)
    requireAuthorityOver(directory, sessionOf(actor), userId)
    const passwordHash = await passwords.hash(next)
    await this.#change(
      actor,
      userId,
      () => {},
      () => [
        { bucket: '_users', update: userId, changes: { passwordHash } }, ...sessions.deletionsFor(userId)
      ]
    )
  }

  /** Makes a change to an account over which the actor has authority. Returns the account. */
  async #change (
    actor: Actor,
    userId: string,
    check: (session: Session) => void,
    writes: (user: User) => DirectoryWrite[]
  ): Promise<User> {
    const { directory } = this.#parts
    return await directory.exclusive(async () => {
      const session = sessionOf(actor)
      check(session)
      const user = requireUser(directory, userId)
      if (session.userId !== userId) requireAuthorityOver(directory, session, userId)
      const made = writes(user)
      if (made.length > 0) await directory.write(made, causeOf(actor, session))
      return directory.user(userId) ?? user
    })
  }
}

function wholeOr (value: unknown, otherwise: number): number {
  return typeof value === 'number' ? Math.floor(value) : otherwise
}
