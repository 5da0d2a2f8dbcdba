import type { Principal } from '../permissions/principal.js'
import type { Session } from '../protocol/session.js'
import { NoexServerError } from '../protocol/errors.js'
import { isSuperadmin } from '../identity/authority.js'
import type { Identity } from '../identity/identity.js'
import type { Resource } from '../identity/records.js'
import type { DirectoryWrite } from '../identity/directory.js'
import type { NoteOf } from '../store/row-scope.js'
import type { ServerContext } from '../operations/context.js'
import { ImpersonatedPrincipal } from './impersonated-principal.js'
import type { Registered } from './registry.js'
import type { Call } from './call.js'

/** Whether the steps of a procedure have the rights of its owner. */
export function runsAsOwner ({ definition }: Registered['procedure']): boolean {
  return definition.runAs === 'owner'
}

/**
 * Returns the principal whose rights the steps of a procedure have, the caller or the owner, and the
 * authorizer that decides. The owner of a procedure of the options may do everything but use system buckets.
 * @throws `FORBIDDEN` when the owner is gone, disabled, or not the author of the steps
 */
export function rightsFor (
  registered: Registered,
  caller: Principal,
  { authorizer, identity }: Pick<ServerContext, 'authorizer' | 'identity'>
): Pick<Call, 'authorizer' | 'principal'> {
  if (!runsAsOwner(registered.procedure)) return { authorizer, principal: caller }
  if (registered.isFixed) {
    return {
      authorizer: authorizer.unrestricted(),
      principal: new ImpersonatedPrincipal(caller, { session: undefined, confirm () {} })
    }
  }
  const impersonation = {
    session: sessionOfOwner(registered, identity),
    confirm: () => { requireOwner(registered, identity) }
  }
  return { authorizer, principal: new ImpersonatedPrincipal(caller, impersonation) }
}

/** Returns a session of the owner, whose roles are always the present ones. */
function sessionOfOwner (registered: Registered, identity: Identity | undefined): Session {
  const { directory } = requireOwner(registered, identity)
  const userId = registered.author as string
  return { userId, state: 'live', get roles () { return directory.roleNamesOf(userId) } }
}

/**
 * Requires that the owner of a procedure is its author: a user who is made the owner has not agreed to its
 * steps thereby. Returns the identity.
 * @throws `FORBIDDEN`
 */
function requireOwner (registered: Registered, identity: Identity | undefined): Identity {
  const { procedure: { name }, author } = registered
  if (identity === undefined) {
    throw new NoexServerError('FORBIDDEN', 'The procedure runs as its owner, and there are no accounts')
  }
  const owner = identity.directory.owner(resourceOf(name))?.userId
  if (owner === undefined || owner !== author) {
    throw new NoexServerError(
      'FORBIDDEN',
      'The procedure runs as its owner, who has not agreed to what it does'
    )
  }
  if (!identity.directory.isActive(owner)) {
    throw new NoexServerError(
      'FORBIDDEN',
      'The procedure runs as its owner, whose account is gone or disabled'
    )
  }
  return identity
}

/**
 * Returns the author of a changed procedure: the user who has written the steps. A procedure that runs as its
 * owner may be changed by its owner, and by a superadmin on behalf of the owner.
 * @throws `FORBIDDEN` for any other user
 */
export function authorOfUpdate (
  before: Registered,
  after: Registered['procedure'],
  {
    hasSteps,
    session,
    identity
  }: {
    readonly hasSteps: boolean
    readonly session: Session | undefined
    readonly identity: Identity | undefined
  }
): string | undefined {
  const owner = identity?.directory.owner(resourceOf(before.procedure.name))?.userId
  const isOwner = session !== undefined && owner === session.userId
  const speaksForOwner = identity !== undefined && session !== undefined && isSuperadmin(session)
  if ((runsAsOwner(before.procedure) || runsAsOwner(after)) && !isOwner && !speaksForOwner) {
    throw new NoexServerError(
      'FORBIDDEN',
      'The procedure runs as its owner: only the owner or a superadmin may change it'
    )
  }
  if (!hasSteps) return before.author
  return speaksForOwner && owner !== undefined ? owner : identity && session?.userId
}

/** Makes a user the owner of a procedure, in place of the owner of an earlier one of the same name. */
export async function takeOwnership (
  { directory }: Identity, name: string, userId: string, note: NoteOf | undefined
): Promise<void> {
  const resource = resourceOf(name)
  await directory.retryLater(async () => {
    const before: DirectoryWrite[] = directory
      .ownershipsOf(resource)
      .map(({ id }) => ({ bucket: '_resource_owners', delete: id }))
    const owner = { bucket: '_resource_owners', insert: { userId, ...resource } } as const
    await directory.write([...before, owner], { user: userId, note })
  })
}

/** Deletes the ownership of procedures that no longer exist. */
export async function forgetLostProcedures (
  { directory }: Identity,
  isThere: (name: string) => boolean
): Promise<void> {
  await directory.retryLater(async () => {
    const lost = directory.tables._resource_owners
      .all()
      .filter(({ resourceType, resourceName }) => resourceType === 'procedure' && !isThere(resourceName))
    if (lost.length > 0) {
      await directory.write(lost.map(({ id }) => ({ bucket: '_resource_owners', delete: id })))
    }
  })
}

function resourceOf (resourceName: string): Resource {
  return { resourceType: 'procedure', resourceName }
}
