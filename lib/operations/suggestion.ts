import type { Authorizer } from '../permissions/authorizer.js'
import type { ResourceAccess } from '../permissions/policy.js'
import type { Principal } from '../permissions/principal.js'
import { NoexServerError, NothingNamedError, type Named } from '../protocol/errors.js'
import { didYouMean, nearestNames } from '../util/nearest.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { OperationRegistry } from './registry.js'
import type { ServerContext } from './context.js'
import type { Operation } from './operation.js'

/** The number of near names for which the client's rights are checked. */
const MAX_ASKED = 5

/** The request that named something unknown, and the sources of names. */
export interface Asked {
  readonly request: RequestMessage
  /** `undefined` for an unknown operation. */
  readonly operation: Operation | undefined
  readonly principal: Principal
  readonly authorizer: Authorizer
  readonly registry: OperationRegistry
  readonly server: ServerContext
}

/**
 * Completes an error about an unknown name with the nearest name that the client may use in its place. A
 * bucket that the request does not name and the client may not read is removed from the message.
 */
export async function completeAnswer (error: NothingNamedError, asked: Asked): Promise<NoexServerError> {
  const resources = resourcesNamed(error, asked)
  if (resources.length === 0 && error.kind === 'bucket' && !mayKnowBucket(error.asked, asked)) {
    return new NoexServerError(error.code, `${error.place}A bucket that this reads or changes is not defined`)
  }
  const mayUse = (name: string): boolean => {
    switch (error.kind) {
      case 'operation': return mayAsk(name, asked)
      // The operations that name a role are for administrators, who may list all roles.
      case 'role': return true
      default: return resources.length === 0
        ? error.kind === 'bucket' && mayKnowBucket(name, asked)
        : resources.every(resource => asked.authorizer.mayAccess(asked.principal, { ...resource, name }))
    }
  }
  const likely = nearestNames(error.asked, await namesOf(error.kind, asked)).slice(0, MAX_ASKED)
  const found = likely.find(mayUse)
  return found === undefined ? error : new NoexServerError(error.code, error.message + didYouMean(found))
}

/** Returns the resources of the request that have the name. */
function resourcesNamed (
  { kind, asked }: NothingNamedError,
  { operation, request }: Asked
): readonly ResourceAccess[] {
  const type = kind === 'rule' ? 'topic' : kind
  return (
    operation?.resources(request).filter(resource => resource.type === type && resource.name === asked) ?? []
  )
}

/** Whether the client may know that the bucket exists: it may read it. */
function mayKnowBucket (name: string, { principal, authorizer }: Asked): boolean {
  const reading = { operation: 'store.where', tier: 'read', type: 'bucket', name, records: true } as const
  return authorizer.mayAccess(principal, reading)
}

function mayAsk (name: string, { request, principal, authorizer, registry }: Asked): boolean {
  const operation = registry.find(name)
  return operation !== undefined && authorizer.mayRequest(principal, operation, { ...request, type: name })
}

async function namesOf (kind: Named, { registry, server }: Asked): Promise<readonly string[]> {
  switch (kind) {
    case 'operation': return [...registry.values()].map(({ name }) => name)
    case 'bucket': return server.sharedStore.bucketNames()
    case 'query': return server.sharedStore.store.getQueries().map(({ name }) => name)
    case 'procedure': return server.procedures.list().map(({ name }) => name)
    case 'rule': return (await server.rules?.reads.call('getRules'))?.map(({ id }) => id) ?? []
    case 'role': return server.identity?.directory.tables._roles.all().map(({ name }) => name) ?? []
    // Ids are random, so a near one means nothing.
    case 'user': return []
  }
}
