import type { ResourceAccess, Tier } from '../permissions/policy.js'
import type { Problem } from '../permissions/where.js'
import { isPlainObject } from '../util/option-schema.js'
import type { OperationResource } from './application-operation.js'
import type { Operation, OwnOperation } from './context.js'
import { nameIn } from './operation.js'

/** Things that one request of an operation of the application may use. */
const MAX_RESOURCES = 1_000

const kinds: ReadonlySet<unknown> = new Set<OperationResource['type']>([
  'bucket', 'query', 'topic', 'procedure', 'server'
])

/**
 * Returns the problem with a list of resources; `path` begins with a bracket or is empty. `ofRequest` says
 * that the names come from a request, where an empty one stands for none.
 */
export function resourceListProblem (list: unknown, ofRequest = false): Problem | undefined {
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_RESOURCES) {
    const problem = `must be a list of 1 to ${MAX_RESOURCES} resources, such as { type: "bucket", name }`
    return { path: '', problem }
  }
  for (let index = 0; index < list.length; index++) {
    const found = resourceProblem(list[index], ofRequest)
    if (found !== undefined) return { path: `[${index}]${found.path}`, problem: found.problem }
  }
  return undefined
}

function resourceProblem (resource: unknown, ofRequest: boolean): Problem | undefined {
  if (!isPlainObject(resource)) return { path: '', problem: 'must be an object with type and name' }
  const { type, name, records, ...others } = resource
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) {
    return { path: `.${unknown}`, problem: 'is unknown: a resource has type, name and records' }
  }
  if (!kinds.has(type)) return { path: '.type', problem: `must be one of ${[...kinds].join(', ')}` }
  if (typeof name !== 'string' || (name === '' && !ofRequest)) {
    return { path: '.name', problem: 'must be a non-empty text' }
  }
  const isRight = records === undefined || typeof records === 'boolean'
  return isRight ? undefined : { path: '.records', problem: 'must be true or false' }
}

/** Returns the accesses of an operation to resources of a checked list. */
export function accessesTo (
  list: readonly OperationResource[], operation: string, tier: Tier
): readonly ResourceAccess[] {
  return list.map(({ type, name, records = type === 'bucket' || type === 'query' }) =>
    ({ operation, tier, type, name: nameIn(name), records }))
}

/** A request that names one resource of each kind. */
const sample = {
  bucket: 'name', name: 'name', query: 'name', operations: [{ op: 'get', bucket: 'name', key: 'key' }]
}

/** Whether an operation reads or changes records, so that a permission with `where` can allow it. */
export function accessesRecords (operation: Operation | OwnOperation): boolean {
  if ('hasComputedResources' in operation && operation.hasComputedResources) return true
  const { name, resources } = operation
  const used = resources({ id: 0, type: name, ...sample })
  return used.some(({ operation, records }) => operation === name && records)
}
