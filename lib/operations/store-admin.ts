import { Type } from 'typebox'
import { bucketNotDefined, queryNotDefined } from '../protocol/errors.js'
import { defineBucket, dropBucket, updateBucket } from '../store/schema-change.js'
import { checkQueryConfig } from '../store/query-config.js'
import { Count, JsonObject, Name } from '../protocol/fields.js'
import type { ResourceAccess } from '../permissions/policy.js'
import { referencedBuckets } from '../store/bucket-definition.js'
import { causedBy } from '../store/row-scope.js'
import { defineOperation, nameIn, wholeBucket, namedQuery, type Operation } from './operation.js'
import { done, named } from './outputs.js'

const Named = Type.Object({ name: Name })

const bucket = wholeBucket('name')

/**
 * Names the buckets that a definition refers to: a reference reveals whether a record exists and can prevent
 * its deletion, which takes the right to read it.
 */
function references (definition: unknown, member: 'schema' | 'addFields'): ResourceAccess[] {
  return referencedBuckets(definition, member).map(name => ({
    operation: 'store.get',
    tier: 'read',
    type: 'bucket',
    name,
    records: false
  }))
}

/**
 * The operations of the `store` namespace that change buckets and queries. PROTOCOL.md, "Bucket definitions"
 * and "Declarative queries".
 */
export const storeAdmin: readonly Operation[] = [
  defineOperation({
    name: 'store.defineBucket',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ name: Name, config: JsonObject }),
    resources: (request, self) => [...bucket(request, self), ...references(request['config'], 'schema')],
    output: done('created', named),
    errors: ['ALREADY_EXISTS', 'BUCKET_NOT_DEFINED'],
    async run ({ server: { sharedStore, identity }, grant }, r) {
      await defineBucket(sharedStore, r.name, r.config, grant)
      await identity?.recordOwner('bucket', r.name, grant.principal.session, grant.note)
      return { name: r.name, created: true }
    }
  }),
  defineOperation({
    name: 'store.dropBucket',
    tier: 'admin',
    takesKey: true,
    request: Named,
    resources: bucket,
    output: done('dropped', named),
    errors: ['BUCKET_NOT_DEFINED'],
    async run ({ server: { sharedStore, identity }, grant }, r) {
      await dropBucket(sharedStore, r.name, grant)
      await identity?.forgetResource('bucket', r.name, grant)
      return { name: r.name, dropped: true }
    }
  }),
  defineOperation({
    name: 'store.updateBucket',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ name: Name, updates: JsonObject }),
    resources: (request, self) => [...bucket(request, self), ...references(request['updates'], 'addFields')],
    output: done('updated', named),
    errors: ['BUCKET_NOT_DEFINED'],
    async run ({ server: { sharedStore }, grant }, r) {
      await updateBucket(sharedStore, r.name, r.updates, grant)
      return { name: r.name, updated: true }
    }
  }),
  defineOperation({
    name: 'store.getBucketSchema',
    tier: 'admin',
    request: Named,
    resources: bucket,
    output: Type.Object({ ...named, config: JsonObject }),
    errors: ['BUCKET_NOT_DEFINED'],
    run: async ({ server: { sharedStore } }, r) => ({ name: r.name, config: sharedStore.definition(r.name) })
  }),
  defineOperation({
    name: 'store.defineQuery',
    tier: 'admin',
    takesKey: true,
    request: Type.Object({ name: Name, config: JsonObject }),
    resources (request, self) {
      const source = nameIn((request['config'] as { bucket?: unknown } | null | undefined)?.bucket)
      return [
        { ...self, type: 'query', name: nameIn(request['name']), records: false, source },
        // A user who runs the query later sees only records that the user may read.
        { operation: 'store.where', tier: 'read', type: 'bucket', name: source, records: true }
      ]
    },
    output: done('defined', named),
    errors: ['ALREADY_EXISTS', 'BUCKET_NOT_DEFINED'],
    async run ({ server: { sharedStore, identity }, grant }, r) {
      const config = checkQueryConfig(r.config)
      if (!sharedStore.store.hasBucket(config.bucket)) throw bucketNotDefined(config.bucket)
      sharedStore.store.defineDeclarativeQuery(r.name, config, causedBy(grant))
      await identity?.recordOwner('query', r.name, grant.principal.session, grant.note)
      return { name: r.name, defined: true }
    }
  }),
  defineOperation({
    name: 'store.undefineQuery',
    tier: 'admin',
    takesKey: true,
    request: Named,
    resources: namedQuery('name'),
    output: done('undefined', named),
    errors: ['QUERY_NOT_DEFINED'],
    async run ({ server: { sharedStore, identity }, grant }, r) {
      if (!sharedStore.store.undefineQuery(r.name, causedBy(grant))) throw queryNotDefined(r.name)
      await identity?.forgetResource('query', r.name, grant)
      return { name: r.name, undefined: true }
    }
  }),
  defineOperation({
    name: 'store.listQueries',
    tier: 'admin',
    request: Type.Object({}),
    output: Type.Object({
      queries: Type.Array(Type.Object({
        ...named,
        type: Type.String(),
        activeSubscriptions: Count,
        config: Type.Optional(JsonObject)
      }))
    }),
    run: async ({ server: { sharedStore, liveQueries } }) => ({
      queries: sharedStore.store
        .getQueries()
        .map(({ name, type, config }) => ({
          name,
          type,
          activeSubscriptions: liveQueries.subscribersOf(name),
          config
        }))
    })
  })
]
