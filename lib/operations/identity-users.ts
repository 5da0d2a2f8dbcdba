import { Type } from 'typebox'
import type { User } from '../identity/records.js'
import { Name } from '../protocol/fields.js'
import { shownRole } from './identity-roles.js'
import { accounts, defineOperation, userIn, type Operation } from './operation.js'

const OfUser = Type.Object({ userId: Name })
const UserRole = Type.Object({ userId: Name, roleName: Name })
const Maybe = Type.Optional(Type.Unknown())

/** A new password; the bound is above every accepted one. */
const NewPassword = Type.String({ minLength: 1, maxLength: 4_096 })

/** Defines an operation that gives a role to a user or takes it away, by a method of `RoleService`. */
function roleChange (name: string, method: 'assign' | 'unassign', answer: object): Operation {
  return defineOperation({
    name: `identity.${name}`,
    tier: 'admin',
    takesKey: true,
    resource: userIn('userId'),
    details: ['userId', 'roleName'],
    accessLevel: 'admin',
    request: UserRole,
    async run ({ server, grant }, r) {
      await accounts(server).roles[method](grant, r.userId, r.roleName)
      return answer
    }
  })
}

/** The operations of the `identity` namespace that concern accounts. PROTOCOL.md, "Users and roles". */
export const identityUsers: readonly Operation[] = [
  defineOperation({
    name: 'identity.createUser',
    tier: 'admin',
    takesKey: true,
    secrets: ['password'],
    resource: userIn('username'),
    details: ['username'],
    accessLevel: 'admin',
    request: Type.Object({
      username: Name,
      password: NewPassword,
      displayName: Maybe,
      email: Maybe,
      enabled: Maybe,
      metadata: Maybe
    }),
    async run ({ server, grant }, { username, password, displayName, email, enabled, metadata }) {
      return shownUser(
        await accounts(server).users.create(grant, {
          username,
          password,
          displayName,
          email,
          enabled,
          metadata
        })
      )
    }
  }),
  defineOperation({
    name: 'identity.getUser',
    accessLevel: 'admin',
    request: OfUser,
    run: async ({ server }, r) => shownUser(accounts(server).users.get(r.userId))
  }),
  defineOperation({
    name: 'identity.updateUser',
    tier: 'admin',
    takesKey: true,
    resource: userIn('userId'),
    accessLevel: 'session',
    request: Type.Object({ userId: Name, displayName: Maybe, email: Maybe, metadata: Maybe }),
    async run ({ server, grant }, { userId, displayName, email, metadata }) {
      return shownUser(await accounts(server).users.update(grant, userId, { displayName, email, metadata }))
    }
  }),
  defineOperation({
    name: 'identity.deleteUser',
    tier: 'admin',
    takesKey: true,
    resource: userIn('userId'),
    accessLevel: 'admin',
    request: OfUser,
    async run ({ server, grant }, r) {
      await accounts(server).users.delete(grant, r.userId)
      return { deleted: true }
    }
  }),
  defineOperation({
    name: 'identity.listUsers',
    accessLevel: 'admin',
    request: Type.Object({ page: Maybe, pageSize: Maybe }),
    async run ({ server }, r) {
      const { users, ...page } = accounts(server).users.list(r.page, r.pageSize)
      return { users: users.map(shownUser), ...page }
    }
  }),
  setEnabled('identity.enableUser', true),
  setEnabled('identity.disableUser', false),
  defineOperation({
    name: 'identity.resetPassword',
    tier: 'admin',
    takesKey: true,
    secrets: ['newPassword'],
    resource: userIn('userId'),
    details: ['userId'],
    accessLevel: 'admin',
    request: Type.Object({ userId: Name, newPassword: NewPassword }),
    async run ({ server, grant }, r) {
      await accounts(server).users.resetPassword(grant, r.userId, r.newPassword)
      return { reset: true }
    }
  }),
  roleChange('assignRole', 'assign', { assigned: true }),
  roleChange('removeRole', 'unassign', { removed: true }),
  defineOperation({
    name: 'identity.getUserRoles',
    accessLevel: 'admin',
    request: OfUser,
    run: async ({ server }, r) => ({ roles: accounts(server).roles.rolesOf(r.userId).map(shownRole) })
  })
]

function setEnabled (name: string, enabled: boolean): Operation {
  return defineOperation({
    name,
    tier: 'admin',
    takesKey: true,
    resource: userIn('userId'),
    accessLevel: 'admin',
    request: OfUser,
    run: async ({ server, grant }, r) =>
      shownUser(await accounts(server).users.setEnabled(grant, r.userId, enabled))
  })
}

/** Returns an account as clients see it. */
function shownUser ({ passwordHash: _passwordHash, _version, ...shown }: User): object {
  return shown
}
