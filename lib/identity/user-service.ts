import type { Origin, Session } from '../protocol/session.js'
import { invalid, NoexServerError } from '../protocol/errors.js'
import type { LoginLimiter } from '../limits/login-limiter.js'
import { isPlainObject } from '../util/option-schema.js'
import {
  causeOf, isAdmin, isSuperadmin, keepLastSuperadmin, requireAuthorityOver, requireRole, requireUser,
  sessionOf, type Actor
} from './authority.js'
import type { Directory, DirectoryWrite } from './directory.js'
import type { IdentityPolicy } from './identity-policy.js'
import { attemptKey, settled, type LoginService } from './login-service.js'
import { checkName, nameKey } from './names.js'
import { MAX_PASSWORD_CHARS, normalPassword, type Passwords } from './passwords.js'
import type { Role, User } from './records.js'
import type { NewSession, SessionService } from './session-service.js'
import { SUPERADMIN, SUPERADMIN_ID } from './system-roles.js'

/** What a client may choose of a new account; what has another type counts as absent. */
export interface UserInput {
  readonly username: string
  readonly password: string
  readonly displayName?: unknown
  readonly email?: unknown
  readonly enabled?: unknown
  readonly metadata?: unknown
}

/** What users need. */
export interface UserServiceParts {
  readonly directory: Directory
  readonly sessions: SessionService
  readonly passwords: Passwords
  readonly limiter: LoginLimiter
  readonly logins: LoginService
  readonly policy: Pick<IdentityPolicy, 'covers'>
  readonly passwordMinLength: number
}

/**
 * Characters of JSON of the metadata of an account.
 * @limit `VALIDATION_ERROR`
 */
const MAX_METADATA_CHARS = 16_384
/**
 * Characters of the display name of an account.
 * @limit `VALIDATION_ERROR`
 */
const MAX_DISPLAY_NAME_CHARS = 256
/**
 * Characters of the email address of an account.
 * @limit `VALIDATION_ERROR`
 */
const MAX_EMAIL_CHARS = 320
/**
 * Accounts of one page of `identity.listUsers`.
 * @limit so many are returned
 */
const MAX_PAGE_SIZE = 200
const DEFAULT_PAGE_SIZE = 50

/**
 * The accounts: each change is checked and made in one step, and acts on open connections before it resolves.
 */
export class UserService {
  readonly #parts: UserServiceParts

  constructor (parts: UserServiceParts) {
    this.#parts = parts
  }

  /** @throws `VALIDATION_ERROR`, `ALREADY_EXISTS` */
  async create (actor: Actor, input: UserInput): Promise<User> {
    const { directory, passwords } = this.#parts
    const username = checkName(input.username, 'username', 3, 64)
    // Such ids and names are the server's.
    if (nameKey(username).startsWith('__')) throw invalid('username', 'must not start with "__"')
    this.#checkLength(input.password, 'password')
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

  /** @throws `NOT_FOUND` */
  get (userId: string): User {
    return requireUser(this.#parts.directory, userId)
  }

  /** One page, counted from 1, in the order in which the accounts were created. */
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
   * Absent members stay, others that are no text or no object are cleared. @throws `FORBIDDEN`, `NOT_FOUND`
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

  /** Ends the user's sessions when it is disabled. @throws `FORBIDDEN`, `NOT_FOUND` */
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
      ...(enabled ? [] : sessions.endAll(userId))
    ])
  }

  /** Deletes the account and everything that hangs on it, in one step. @throws `FORBIDDEN`, `NOT_FOUND` */
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
        ...sessions.endAll(userId),
        ...directory.assignmentsOf(userId).map(({ id }) => ({ bucket: '_user_roles' as const, delete: id })),
        ...directory.aclOfSubject('user', userId).map(({ id }) => ({ bucket: '_acl' as const, delete: id })),
        ...directory.ownedBy(userId).map(({ id }) => ({ bucket: '_resource_owners' as const, delete: id }))
      ], causeOf(actor, session))
    })
  }

  /**
   * Replaces a user's own password and ends all its sessions; the client that asks for it gets a new one.
   * @throws `FORBIDDEN`, `VALIDATION_ERROR`, `NOT_FOUND`, `RATE_LIMITED`, `UNAUTHORIZED`
   */
  async changePassword (
    actor: Actor,
    userId: string,
    current: string,
    next: string,
    origin: Origin
  ): Promise<NewSession> {
    const { directory, passwords, limiter, logins, sessions } = this.#parts
    if (sessionOf(actor).userId !== userId) {
      throw new NoexServerError('FORBIDDEN', 'Only the user may do this')
    }
    this.#checkLength(next, 'newPassword')
    const user = requireUser(directory, userId)
    const attempt = limiter.attemptPassword(attemptKey(user, user.username))
    await settled(
      attempt,
      async () => await logins.checkPassword(
        user,
        current,
        new NoexServerError('UNAUTHORIZED', 'The current password is wrong')
      )
    )
    attempt.succeeded()
    const passwordHash = await passwords.hash(next)
    return await directory.exclusive(async () => {
      sessionOf(actor)
      if (directory.user(userId)?.passwordHash !== user.passwordHash) {
        throw new NoexServerError('CONFLICT', 'The password was changed meanwhile')
      }
      return await sessions.begin(userId, origin, {
        writes: [{ bucket: '_users', update: userId, changes: { passwordHash } }, ...sessions.endAll(userId)],
        note: actor.note
      })
    })
  }

  /**
   * Replaces somebody's password and ends all their sessions. @throws `FORBIDDEN`, `VALIDATION_ERROR`,
   * `NOT_FOUND`
   */
  async resetPassword (actor: Actor, userId: string, next: string): Promise<void> {
    const { directory, passwords, sessions } = this.#parts
    this.#checkLength(next, 'newPassword')
    requireUser(directory, userId)
    requireAuthorityOver(directory, sessionOf(actor), userId)
    const passwordHash = await passwords.hash(next)
    await this.#change(
      actor,
      userId,
      () => {},
      () => [{ bucket: '_users', update: userId, changes: { passwordHash } }, ...sessions.endAll(userId)]
    )
  }

  /** @throws `NOT_FOUND`, `FORBIDDEN`, `ALREADY_EXISTS` */
  async assignRole (actor: Actor, userId: string, roleName: string): Promise<void> {
    const { directory, policy } = this.#parts
    await directory.exclusive(async () => {
      const session = sessionOf(actor)
      // The virtual superadmin has its role and needs no other.
      if (userId === SUPERADMIN_ID) {
        requireRole(directory.findRole(roleName), roleName)
        return
      }
      requireUser(directory, userId)
      const role = requireRole(directory.findRole(roleName), roleName)
      requireAuthorityToGive(session, role)
      if (!policy.covers(session, role)) {
        throw new NoexServerError('FORBIDDEN', 'This role may do what you may not')
      }
      requireAuthorityOver(directory, session, userId)
      if (directory.assignments(userId, role.id).length > 0) {
        throw new NoexServerError('ALREADY_EXISTS', 'The user has this role')
      }
      const insert = { userId, roleId: role.id, grantedBy: session.userId }
      await directory.write([{ bucket: '_user_roles', insert }], causeOf(actor, session))
    })
  }

  /** @throws `NOT_FOUND`, `FORBIDDEN` */
  async removeRole (actor: Actor, userId: string, roleName: string): Promise<void> {
    const { directory } = this.#parts
    await directory.exclusive(async () => {
      const session = sessionOf(actor)
      const role = requireRole(directory.findRole(roleName), roleName)
      requireAuthorityToGive(session, role)
      requireAuthorityOver(directory, session, userId)
      const assignments = directory.assignments(userId, role.id)
      if (assignments.length === 0) throw new NoexServerError('NOT_FOUND', 'The user does not have this role')
      if (role.name === SUPERADMIN) keepLastSuperadmin(directory, session, userId)
      const removed = assignments.map(({ id }) => ({ bucket: '_user_roles', delete: id }) as const)
      await directory.write(removed, causeOf(actor, session))
    })
  }

  /** @throws `NOT_FOUND` */
  rolesOf (userId: string): Role[] {
    const { directory } = this.#parts
    if (userId !== SUPERADMIN_ID) requireUser(directory, userId)
    return directory.rolesOf(userId)
  }

  /**
   * Makes a change to an account that exists, for somebody who has authority over it, and returns the
   * account.
   */
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

  #checkLength (password: string, field: string): void {
    const { passwordMinLength } = this.#parts
    if ([...normalPassword(password)].length < passwordMinLength) {
      throw invalid(field, `must have at least ${passwordMinLength} characters`)
    }
    if (password.length > MAX_PASSWORD_CHARS) {
      throw invalid(field, `must not be longer than ${MAX_PASSWORD_CHARS} characters`)
    }
    // Whatever is no character is hashed alike.
    if (!password.isWellFormed()) throw invalid(field, 'must be well-formed Unicode')
  }
}

function requireAuthorityToGive (session: Session, { name }: Role): void {
  if (name === SUPERADMIN && !isSuperadmin(session)) {
    throw new NoexServerError('FORBIDDEN', 'Only a superadmin may give or take this role')
  }
}

function checkProfile (profile: Record<string, unknown>): Record<string, unknown> {
  const { displayName, email, metadata } = profile
  if (typeof displayName === 'string' && displayName.length > MAX_DISPLAY_NAME_CHARS) {
    throw invalid('displayName', `must not be longer than ${MAX_DISPLAY_NAME_CHARS} characters`)
  }
  // The store's own check of a longer text takes long.
  if (typeof email === 'string' && email.length > MAX_EMAIL_CHARS) {
    throw invalid('email', `must not be longer than ${MAX_EMAIL_CHARS} characters`)
  }
  if (metadata !== undefined && JSON.stringify(metadata).length > MAX_METADATA_CHARS) {
    throw invalid('metadata', `must not be longer than ${MAX_METADATA_CHARS} characters of JSON`)
  }
  return profile
}

function wholeOr (value: unknown, otherwise: number): number {
  return typeof value === 'number' ? Math.floor(value) : otherwise
}
