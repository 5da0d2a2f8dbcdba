import type { OperationNames } from '../permissions/operation-names.js'
import { ruleProblem, type PermissionEntry } from '../permissions/permission.js'
import { invalid, NoexServerError } from '../protocol/errors.js'
import type { Session } from '../protocol/session.js'
import {
  causeOf, isSuperadmin, keepLastSuperadmin, requireAuthorityOver, requireRole, requireUser, sessionOf,
  type Actor
} from './authority.js'
import type { Directory } from './directory.js'
import type { IdentityPolicy } from './identity-policy.js'
import { checkName } from './names.js'
import type { Role } from './records.js'
import { SUPERADMIN, SUPERADMIN_ID } from './system-roles.js'

const MAX_PERMISSIONS = 100
const MAX_DESCRIPTION_CHARS = 1_000

/** The properties of a role that a client sets; `undefined` keeps the present value. */
export interface RoleInput {
  readonly description?: string | undefined
  readonly permissions?: unknown
}

/** Manages roles, their permissions and their assignment to users. */
export class RoleService {
  readonly #directory: Directory
  readonly #policy: Pick<IdentityPolicy, 'covers'>
  readonly #operations: OperationNames

  constructor (directory: Directory, policy: Pick<IdentityPolicy, 'covers'>, operations: OperationNames) {
    this.#directory = directory
    this.#policy = policy
    this.#operations = operations
  }

  list (): Role[] {
    return this.#directory.roles()
  }

  /** Creates a role. @throws `VALIDATION_ERROR`, `ALREADY_EXISTS` */
  async create (actor: Actor, wanted: string, { description, permissions = [] }: RoleInput): Promise<Role> {
    const name = checkName(wanted, 'name', 1, 64)
    this.#check({ description, permissions })
    return await this.#directory.exclusive(async () => {
      const session = sessionOf(actor)
      if (this.#directory.isRoleNameTaken(name)) {
        throw new NoexServerError(
          'ALREADY_EXISTS',
          'There is a role with this name, or one that looks like it'
        )
      }
      const insert = { name, permissions, system: false, ...(description !== undefined && { description }) }
      const [role] = await this.#directory.write([{ bucket: '_roles', insert }], causeOf(actor, session))
      return role as unknown as Role
    })
  }

  /** Changes a role. @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` */
  async update (actor: Actor, roleId: string, changes: RoleInput): Promise<Role> {
    this.#check(changes)
    return await this.#directory.exclusive(async () => {
      const session = sessionOf(actor)
      const role = requireRole(this.#directory.role(roleId), roleId)
      if (role.name === SUPERADMIN && changes.permissions !== undefined) {
        throw new NoexServerError('FORBIDDEN', 'The role superadmin may do everything, always')
      }
      const made = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
      if (Object.keys(made).length > 0) {
        const update = { bucket: '_roles', update: roleId, changes: made } as const
        await this.#directory.write([update], causeOf(actor, session))
      }
      return this.#directory.role(roleId) ?? role
    })
  }

  /** Deletes a role with its assignments and its entries of access lists. @throws `NOT_FOUND`, `FORBIDDEN` */
  async delete (actor: Actor, roleId: string): Promise<void> {
    await this.#directory.exclusive(async () => {
      const session = sessionOf(actor)
      const role = requireRole(this.#directory.role(roleId), roleId)
      if (role.system) throw new NoexServerError('FORBIDDEN', 'This role belongs to the system')
      await this.#directory.write([
        { bucket: '_roles', delete: roleId },
        ...this.#directory
          .holdersOf(roleId)
          .map(({ id }) => ({ bucket: '_user_roles' as const, delete: id })),
        ...this.#directory
          .aclOfSubject('role', roleId)
          .map(({ id }) => ({ bucket: '_acl' as const, delete: id }))
      ], causeOf(actor, session))
    })
  }

  /** Gives a role to a user. @throws `NOT_FOUND`, `FORBIDDEN`, `ALREADY_EXISTS` */
  async assign (actor: Actor, userId: string, roleName: string): Promise<void> {
    const directory = this.#directory
    await directory.exclusive(async () => {
      const session = sessionOf(actor)
      // The virtual superadmin needs no record of its role, nor any other role.
      if (userId === SUPERADMIN_ID) {
        requireRole(directory.findRole(roleName), roleName)
        return
      }
      requireUser(directory, userId)
      const role = requireRole(directory.findRole(roleName), roleName)
      requireAuthorityToGive(session, role)
      if (!this.#policy.covers(session, role)) {
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

  /** Takes a role from a user. @throws `NOT_FOUND`, `FORBIDDEN` */
  async unassign (actor: Actor, userId: string, roleName: string): Promise<void> {
    const directory = this.#directory
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

  /** Returns the roles of a user. @throws `NOT_FOUND` */
  rolesOf (userId: string): Role[] {
    const directory = this.#directory
    if (userId !== SUPERADMIN_ID) requireUser(directory, userId)
    return directory.rolesOf(userId)
  }

  #check ({ description, permissions }: RoleInput): void {
    if (description !== undefined && description.length > MAX_DESCRIPTION_CHARS) {
      throw invalid('description', `must not be longer than ${MAX_DESCRIPTION_CHARS} characters`)
    }
    if (permissions === undefined) return
    if (!Array.isArray(permissions) || permissions.length > MAX_PERMISSIONS) {
      throw invalid('permissions', `must be an array of at most ${MAX_PERMISSIONS}`)
    }
    permissions.forEach((entry: unknown, i) => {
      const found = ruleProblem(entry) ?? this.#operations.problemIn(entry as PermissionEntry)
      if (found !== undefined) {
        throw invalid(`permissions[${i}]${found.path === '' ? '' : `.${found.path}`}`, found.problem)
      }
    })
  }
}

function requireAuthorityToGive (session: Session, { name }: Role): void {
  if (name === SUPERADMIN && !isSuperadmin(session)) {
    throw new NoexServerError('FORBIDDEN', 'Only a superadmin may give or take this role')
  }
}
