import { Type } from 'typebox'
import { ruleProblem } from '../permissions/permission.js'
import type { Role } from '../identity/records.js'
import type { RoleInput } from '../identity/role-service.js'
import { Name } from '../protocol/fields.js'
import type { RequestMessage } from '../protocol/messages.js'
import { accounts, defineOperation, nameIn, prefixed, type Operation } from './operation.js'
import { done, RoleList, RoleOutput } from './outputs.js'

const Description = Type.Optional(Type.Union([Type.Null(), Type.String()]))
const Permissions = Type.Optional(Type.Union([Type.Null(), Type.Array(Type.Unknown())]))

/** The operations of the `identity` namespace that concern roles. PROTOCOL.md, "Users and roles". */
export const identityRoles: readonly Operation[] = [
  defineOperation({
    name: 'identity.createRole',
    tier: 'admin',
    takesKey: true,
    resource: request => nameIn(request['name']),
    details: permissionsIn,
    accessLevel: 'superadmin',
    request: Type.Object({ name: Name, description: Description, permissions: Permissions }),
    output: RoleOutput,
    errors: ['ALREADY_EXISTS'],
    async run ({ server, grant }, { name, description, permissions }) {
      return shownRole(await accounts(server).roles.create(grant, name, given(description, permissions)))
    }
  }),
  defineOperation({
    name: 'identity.updateRole',
    tier: 'admin',
    takesKey: true,
    resource: request => prefixed('role', request['roleId']),
    details: permissionsIn,
    accessLevel: 'superadmin',
    request: Type.Object({ roleId: Name, description: Description, permissions: Permissions }),
    output: RoleOutput,
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, { roleId, description, permissions }) {
      return shownRole(await accounts(server).roles.update(grant, roleId, given(description, permissions)))
    }
  }),
  defineOperation({
    name: 'identity.deleteRole',
    tier: 'admin',
    takesKey: true,
    resource: request => prefixed('role', request['roleId']),
    accessLevel: 'superadmin',
    request: Type.Object({ roleId: Name }),
    output: done('deleted'),
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).roles.delete(grant, r.roleId)
      return { deleted: true }
    }
  }),
  defineOperation({
    name: 'identity.listRoles',
    accessLevel: 'admin',
    request: Type.Object({}),
    output: RoleList,
    run: async ({ server }) => ({ roles: accounts(server).roles.list().map(shownRole) })
  })
]

/** Returns the changes that a request makes to a role; `null` counts as absent. */
function given (description: string | null | undefined, permissions: unknown): RoleInput {
  return { description: description ?? undefined, permissions: permissions ?? undefined }
}

/** Returns the permissions of a request for the audit; `undefined` when one of them is not valid. */
function permissionsIn ({ permissions }: RequestMessage): { readonly permissions: unknown } | undefined {
  return Array.isArray(permissions) && permissions.every(entry => ruleProblem(entry) === undefined)
    ? { permissions }
    : undefined
}

/** Returns a role as clients see it. */
export function shownRole ({ _version, ...shown }: Role): object {
  return shown
}
