import type { OperationNames } from '../permissions/operation-names.js'
import { ruleProblem, type PermissionEntry } from '../permissions/permission.js'
import { invalid, NoexServerError } from '../protocol/errors.js'
import { causeOf, requireRole, sessionOf, type Actor } from './authority.js'
import type { Directory } from './directory.js'
import { checkName } from './names.js'
import type { Role } from './records.js'
import { SUPERADMIN } from './system-roles.js'

/**
 * Permissions of a role.
 * @limit `VALIDATION_ERROR`
 */
const MAX_PERMISSIONS = 100
/**
 * Characters of the description of a role.
 * @limit `VALIDATION_ERROR`
 */
const MAX_DESCRIPTION_CHARS = 1_000

/** What a client may say of a role; `undefined` keeps what is there. */
export interface RoleInput {
  readonly description?: string | undefined
  readonly permissions?: unknown
}

/** The roles and what they allow. */
export class RoleService {
  readonly #directory: Directory
  readonly #operations: OperationNames

  constructor (directory: Directory, operations: OperationNames) {
    this.#directory = directory
    this.#operations = operations
  }

  list (): Role[] {
    return this.#directory.roles()
  }

  /** @throws `VALIDATION_ERROR`, `ALREADY_EXISTS` */
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

  /** @throws `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN` */
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

  /** Deletes a role with everything that was given to it. @throws `NOT_FOUND`, `FORBIDDEN` */
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
