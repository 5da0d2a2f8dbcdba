import type { Grant } from '../permissions/grant.js'
import type { Session } from '../protocol/session.js'
import type { Cause } from '../store/row-scope.js'
import { NoexServerError, NothingNamedError } from '../protocol/errors.js'
import { loginRequired } from '../protocol/refusals.js'
import type { Directory } from './directory.js'
import type { Role, User } from './records.js'
import { SUPERADMIN, SUPERADMIN_ID } from './system-roles.js'

/** Who makes a change: asked again when its turn comes, since the right may be gone by then. */
export type Actor = Pick<Grant, 'assertStillAllowed' | 'note'> & {
  readonly principal: { readonly session: Session | undefined }
}

/**
 * The session of an actor, who may still do what was asked for. Throws `UNAUTHORIZED` or `FORBIDDEN`
 * otherwise.
 */
export function sessionOf (actor: Actor): Session {
  actor.assertStillAllowed()
  const { session } = actor.principal
  if (session === undefined) throw loginRequired()
  return session
}

/** Returns the cause of the commits of a change that an actor makes in this session. */
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
 * Keeps administrators away from superadmins: what they could do to such an account would make them one.
 * @throws `FORBIDDEN`
 */
export function requireAuthorityOver (directory: Directory, session: Session, userId: string): void {
  if (directory.isSuperadmin(userId) && !isSuperadmin(session)) {
    throw new NoexServerError('FORBIDDEN', 'Only a superadmin may change the account of a superadmin')
  }
}

/**
 * Keeps the last account with the role `superadmin`, unless the virtual superadmin itself ends it: then there
 * is still the admin secret.
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
