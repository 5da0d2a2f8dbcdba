import type { Grant } from '../permissions/grant.js'
import type { Session } from '../protocol/session.js'
import type { Cause } from '../store/row-scope.js'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import type { Directory } from './directory.js'
import type { Role, User } from './records.js'
import { SUPERADMIN, SUPERADMIN_ID } from './system-roles.js'

/** The client that asks for a change. Its rights are checked again when the change is made. */
export type Actor = Pick<Grant, 'assertStillAllowed' | 'note'> & {
  readonly principal: { readonly session: Session | undefined }
}

/**
 * Returns the session of an actor that is still allowed to make the change.
 * @throws `UNAUTHORIZED`, `FORBIDDEN`
 */
export function sessionOf (actor: Actor): Session {
  actor.assertStillAllowed()
  const { session } = actor.principal
  if (session === undefined) throw new NoexServerError('UNAUTHORIZED', 'Authentication required')
  return session
}

/** Returns the cause to record with the commits of a change that an actor makes in this session. */
export function causeOf ({ note }: Actor, { userId }: Pick<Session, 'userId'>): Cause {
  return { user: userId, note }
}

export function isSuperadmin ({ roles }: Session): boolean {
  return roles.includes(SUPERADMIN)
}

export function isAdmin (session: Session): boolean {
  return isSuperadmin(session) || session.roles.includes('admin')
}

/** @throws `NOT_FOUND` */
export function requireUser (directory: Directory, userId: string): User {
  const user = directory.user(userId)
  if (user === undefined) throw new NothingNamedError('user', userId)
  return user
}

/** @throws `NOT_FOUND` */
export function requireRole (role: Role | undefined, asked: string): Role {
  if (role === undefined) throw new NothingNamedError('role', asked)
  return role
}

/**
 * Allows only a superadmin to change the account of a superadmin: an administrator who could do so would
 * become one.
 * @throws `FORBIDDEN`
 */
export function requireAuthorityOver (directory: Directory, session: Session, userId: string): void {
  if (directory.isSuperadmin(userId) && !isSuperadmin(session)) {
    throw new NoexServerError('FORBIDDEN', 'Only a superadmin may change the account of a superadmin')
  }
}

/**
 * Refuses to end the last enabled account with the role `superadmin`. The virtual superadmin may end it: the
 * admin secret remains.
 * @throws `FORBIDDEN`
 */
export function keepLastSuperadmin (directory: Directory, session: Session, userId: string): void {
  const role = directory.roleByName(SUPERADMIN)
  if (role === undefined || session.userId === SUPERADMIN_ID || directory.user(userId)?.enabled !== true) {
    return
  }
  const active = new Set(
    directory
      .holdersOf(role.id)
      .map(holder => holder.userId)
      .filter(id => directory.user(id)?.enabled === true)
  )
  if (active.size === 1 && active.has(userId)) {
    throw new NoexServerError(
      'FORBIDDEN',
      'This is the last account of a superadmin; only the admin secret may end it'
    )
  }
}
