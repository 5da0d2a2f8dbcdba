import type { DeclarativeQueryConfig, FieldDefinition, SchemaDefinition } from '@hamicek/noex-store'
import type { ResourceAccess } from '../permissions/policy.js'
import type { SharedStore } from '../store/shared-store.js'
import { parameterOf } from '../store/filter.js'
import { isTurnOver, nextTurn } from '../util/slice.js'
import type { OperationContext, OwnOperation } from './context.js'
import { jsonOf } from './json-schema.js'

/** Tells what a client may use, for programs that write its types. PROTOCOL.md, "Server operations". */
export async function describe (context: OperationContext): Promise<object> {
  const { server: { sharedStore, procedures, operations } } = context
  const definitions = new Map<string, { readonly key: string, readonly schema: SchemaDefinition }>()
  const accesses = accessesToBuckets(context)
  for (const name of sharedStore.bucketNames()) {
    if (isTurnOver()) await nextTurn()
    if (accesses.some(access => mayUse(context, { ...access, name }))) {
      definitions.set(name, sharedStore.definition(name))
    }
  }
  const isShown = (bucket: string): boolean => definitions.has(bucket)
  const buckets = [...definitions].map(([name, { key, schema }]) =>
    [name, { key, schema: fieldsIn(schema, isShown) }])
  const queries = sharedStore.store.getQueries()
    .filter(({ name }) => ['store.subscribe', 'store.query'].some(operation =>
      mayUse(context, { operation, tier: 'read', type: 'query', name, records: true })))
    .map(({ name, config }) => [name, config === undefined ? {} : shapeOfQuery(config, isShown)])
  const called = procedures.list()
    .filter(({ name }) => mayUse(context, {
      operation: 'procedures.call', tier: 'write', type: 'procedure', name, records: false
    }))
    .map(({ name }) => {
      const { input = {} } = procedures.get(name).procedure.definition as { readonly input?: object }
      return [name, { input }]
    })
  const own = operations.own
    .filter(operation => mayCall(context, operation, sharedStore))
    .map(({ name, tier, request, output }) =>
      [name, { tier, input: jsonOf(request), ...(output !== undefined && { output: jsonOf(output) }) }])
  return {
    buckets: Object.fromEntries(buckets),
    queries: Object.fromEntries(queries),
    procedures: Object.fromEntries(called),
    operations: Object.fromEntries(own)
  }
}

function mayUse ({ server: { authorizer }, grant }: OperationContext, access: ResourceAccess): boolean {
  return authorizer.mayAccess(grant.principal, access)
}

/** Returns an access for each operation that reads or changes records of a bucket. */
function accessesToBuckets ({ server: { operations } }: OperationContext): readonly ResourceAccess[] {
  return [...operations.values()].filter(({ usesStore }) => usesStore).flatMap(({ name, resources }) =>
    resources({ id: 0, type: name, bucket: '*', find: { bucket: '*' } }).filter(({ type, records }) =>
      type === 'bucket' && records))
}

/** Whether a client may call an operation of the application, at least for some requests. */
function mayCall (context: OperationContext, operation: OwnOperation, store: SharedStore): boolean {
  const { name, tier, resources, hasComputedResources } = operation
  const fixed = resources({ id: 0, type: name })
  if (fixed.every(access => mayUse(context, access))) return true
  return hasComputedResources && store.bucketNames().some(bucket =>
    mayUse(context, { operation: name, tier, type: 'bucket', name: bucket, records: true }))
}

/** Returns the fields as JSON shows them, without references to buckets that the client may not use. */
function fieldsIn (schema: SchemaDefinition, isShown: (bucket: string) => boolean): object {
  return Object.fromEntries(Object.entries(schema).map(([name, field]) => [name, fieldOf(field, isShown)]))
}

function fieldOf (field: FieldDefinition, isShown: (bucket: string) => boolean): object {
  const { ref, onDelete, properties, items, validate: _validate, ...others } = field
  return {
    ...others,
    // A function, which makes the value.
    ...(typeof others.default === 'function' && { default: null }),
    ...(ref !== undefined && isShown(ref) && { ref, ...(onDelete !== undefined && { onDelete }) }),
    ...(properties !== undefined && { properties: fieldsIn(properties, isShown) }),
    ...(items !== undefined && { items: fieldOf(items, isShown) })
  }
}

/** Returns what the result and the parameters of a query given as data depend on. */
function shapeOfQuery (
  { bucket, fields, aggregate, filter }: DeclarativeQueryConfig, isShown: (bucket: string) => boolean
): object {
  const params = Object.fromEntries(paramsIn(filter))
  return {
    ...(isShown(bucket) && { bucket }),
    ...(fields !== undefined && { fields }),
    ...(aggregate !== undefined && { aggregate }),
    ...(Object.keys(params).length > 0 && { params })
  }
}

/** Yields the parameters of a filter, with the field and the operator that they are compared by. */
function * paramsIn (
  filter: unknown, field = '', operator = '$eq'
): Iterable<readonly [name: string, at: { readonly field: string, readonly operator: string }]> {
  const name = parameterOf(filter)
  if (name !== undefined) yield [name, { field, operator }]
  if (typeof filter !== 'object' || filter === null) return
  for (const [member, value] of Object.entries(filter)) {
    // An element of a list is one of the values of the field.
    if (Array.isArray(filter)) yield * paramsIn(value, field, '$eq')
    else if (!member.startsWith('$')) yield * paramsIn(value, member)
    else yield * paramsIn(value, field, member)
  }
}
