import { Type } from 'typebox'
import type { User } from '../identity/records.js'
import { Count, JsonObject, Name } from '../protocol/fields.js'
import { shownRole } from './identity-roles.js'
import { accounts, defineOperation, userIn, type Operation } from './operation.js'
import { Account, done, nullable, RoleList } from './outputs.js'

const OfUser = Type.Object({ userId: Name })
const UserRole = Type.Object({ userId: Name, roleName: Name })
const Maybe = Type.Optional(Type.Unknown())

const MaybeText = Type.Optional(nullable(Type.String()))

/** Members of an account, which are checked where it is stored. */
const profile = { displayName: MaybeText, email: MaybeText, metadata: Type.Optional(nullable(JsonObject)) }

/** A new password; the bound is above every accepted one. */
const NewPassword = Type.String({ minLength: 1, maxLength: 4_096 })

/** Defines an operation that gives a role to a user or takes it away, by a method of `RoleService`. */
function roleChange (
  name: 'assignRole' | 'removeRole', method: 'assign' | 'unassign', answer: 'assigned' | 'removed'
): Operation {
  return defineOperation({
    name: `identity.${name}`,
    tier: 'admin',
    takesKey: true,
    resource: userIn('userId'),
    details: ['userId', 'roleName'],
    accessLevel: 'admin',
    request: UserRole,
    output: done(answer),
    errors: method === 'assign' ? ['NOT_FOUND', 'ALREADY_EXISTS'] : ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).roles[method](grant, r.userId, r.roleName)
      return { [answer]: true }
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
    documented: Type.Object({
      username: Type.String({ minLength: 3, maxLength: 64, description: 'name of 3–64 characters' }),
      password: NewPassword,
      displayName: MaybeText,
      email: MaybeText,
      enabled: Type.Optional(nullable(Type.Boolean())),
      metadata: profile.metadata
    }),
    output: Account,
    errors: ['ALREADY_EXISTS'],
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
    output: Account,
    errors: ['NOT_FOUND'],
    run: async ({ server }, r) => shownUser(accounts(server).users.get(r.userId))
  }),
  defineOperation({
    name: 'identity.updateUser',
    tier: 'admin',
    takesKey: true,
    resource: userIn('userId'),
    accessLevel: 'session',
    request: Type.Object({ userId: Name, displayName: Maybe, email: Maybe, metadata: Maybe }),
    documented: Type.Object({ userId: Name, ...profile }),
    output: Account,
    errors: ['NOT_FOUND'],
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
    output: done('deleted'),
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).users.delete(grant, r.userId)
      return { deleted: true }
    }
  }),
  defineOperation({
    name: 'identity.listUsers',
    accessLevel: 'admin',
    request: Type.Object({ page: Maybe, pageSize: Maybe }),
    documented: Type.Object({
      page: Type.Optional(nullable(Type.Integer({ minimum: 1 }))),
      pageSize: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 200 })))
    }),
    output: Type.Object({ users: Type.Array(Account), total: Count, page: Count, pageSize: Count }),
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
    output: done('reset'),
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).users.resetPassword(grant, r.userId, r.newPassword)
      return { reset: true }
    }
  }),
  roleChange('assignRole', 'assign', 'assigned'),
  roleChange('removeRole', 'unassign', 'removed'),
  defineOperation({
    name: 'identity.getUserRoles',
    accessLevel: 'admin',
    request: OfUser,
    output: RoleList,
    errors: ['NOT_FOUND'],
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
    output: Account,
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      const user = await accounts(server).users.setEnabled(grant, r.userId, enabled)
      if (enabled) server.revocations.lift(user.id)
      return shownUser(user)
    }
  })
}

/** Returns an account as clients see it. */
function shownUser ({ passwordHash: _passwordHash, _version, ...shown }: User): object {
  return shown
}
