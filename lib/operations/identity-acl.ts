import { Type } from 'typebox'
import { sessionOf } from '../identity/authority.js'
import { SUPERADMIN_ID } from '../identity/system-roles.js'
import { Name } from '../protocol/fields.js'
import type { RequestMessage } from '../protocol/messages.js'
import { accounts, defineOperation, nameIn, type Operation } from './operation.js'
import { Access, done, nullable } from './outputs.js'

const OfResource = Type.Object({ resourceType: Name, resourceName: Name })
const Entry = { subjectType: Name, subjectId: Name, resourceType: Name, resourceName: Name }

/**
 * The operations of the `identity` namespace that concern access to single resources. PROTOCOL.md, "Users and
 * roles".
 */
export const identityAcl: readonly Operation[] = [
  defineOperation({
    name: 'identity.grant',
    tier: 'admin',
    takesKey: true,
    resource: accessedResource,
    details: ['subjectType', 'subjectId', 'resourceType', 'resourceName', 'operations'],
    accessLevel: 'session',
    request: Type.Object({ ...Entry, operations: Type.Array(Type.Unknown()) }),
    output: done('granted'),
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).accessLists.grant(grant, r, r, r.operations)
      return { granted: true }
    }
  }),
  defineOperation({
    name: 'identity.revoke',
    tier: 'admin',
    takesKey: true,
    resource: accessedResource,
    details: ['subjectType', 'subjectId', 'resourceType', 'resourceName', 'operations'],
    accessLevel: 'session',
    request: Type.Object({
      ...Entry,
      operations: Type.Optional(Type.Union([Type.Null(), Type.Array(Type.Unknown())]))
    }),
    output: done('revoked'),
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).accessLists.revoke(grant, r, r, r.operations)
      return { revoked: true }
    }
  }),
  defineOperation({
    name: 'identity.getAcl',
    accessLevel: 'session',
    request: OfResource,
    output: Type.Object({
      entries: Type.Array(Type.Object({
        subjectType: Type.String(),
        subjectId: Type.String(),
        subjectName: nullable(Type.String()),
        ...Access
      }))
    }),
    run: async ({ server, grant }, r) => ({ entries: accounts(server).accessLists.list(sessionOf(grant), r) })
  }),
  defineOperation({
    name: 'identity.myAccess',
    accessLevel: 'session',
    request: Type.Object({}),
    output: Type.Object({
      user: Type.Object({ id: Type.String(), username: Type.String(), roles: Type.Array(Type.String()) }),
      resources: Type.Array(Type.Object({
        resourceType: Type.String(), resourceName: Type.String(), ...Access
      }))
    }),
    async run ({ server, grant }) {
      const { directory, accessLists } = accounts(server)
      const { userId, roles } = sessionOf(grant)
      const username = directory.user(userId)?.username ?? SUPERADMIN_ID
      return { user: { id: userId, username, roles }, resources: accessLists.accessOf(userId) }
    }
  }),
  defineOperation({
    name: 'identity.getOwner',
    accessLevel: 'session',
    request: OfResource,
    output: Type.Object({
      owner: nullable(Type.Object({
        userId: Type.String(),
        username: nullable(Type.String()),
        resourceType: Type.String(),
        resourceName: Type.String()
      }))
    }),
    run: async ({ server, grant }, r) => ({ owner: accounts(server).accessLists.owner(sessionOf(grant), r) })
  }),
  defineOperation({
    name: 'identity.transferOwner',
    tier: 'admin',
    takesKey: true,
    resource: accessedResource,
    details: ['resourceType', 'resourceName', 'newOwnerId'],
    accessLevel: 'session',
    request: Type.Object({ resourceType: Name, resourceName: Name, newOwnerId: Name }),
    output: done('transferred'),
    errors: ['NOT_FOUND'],
    async run ({ server, grant }, r) {
      await accounts(server).accessLists.transfer(grant, r, r.newOwnerId)
      return { transferred: true }
    }
  })
]

/** Names the resource of a request as the audit does. */
function accessedResource ({ resourceType, resourceName }: RequestMessage): string {
  return nameIn(resourceType) === '*' && nameIn(resourceName) === '*'
    ? '*'
    : `${nameIn(resourceType)}:${nameIn(resourceName)}`
}
