import { Type } from 'typebox'
import { bucketNotDefined, queryNotDefined } from '../errors.js'
import { defineBucket, dropBucket, updateBucket } from '../store/schema-change.js'
import { checkQueryConfig } from '../store/query-config.js'
import { JsonObject, Name } from '../protocol/fields.js'
import { defineOperation, nameIn, touchesBucket, touchesQuery, touchesServer, type Operation } from './operation.js'

const Named = Type.Object({ name: Name })

/** The operations of the `store` namespace that change buckets and queries. PROTOCOL.md, "Bucket definitions" and "Declarative queries". */
export const storeAdmin: readonly Operation[] = [
  defineOperation({
    name: 'store.defineBucket',
    tier: 'admin',
    request: Type.Object({ name: Name, config: JsonObject }),
    touches: touchesBucket('store.defineBucket', 'name'),
    async run ({ access }, r) {
      await defineBucket(access, r.name, r.config)
      return { name: r.name, created: true }
    }
  }),
  defineOperation({
    name: 'store.dropBucket',
    tier: 'admin',
    request: Named,
    touches: touchesBucket('store.dropBucket', 'name'),
    async run ({ access }, r) {
      await dropBucket(access, r.name)
      return { name: r.name, dropped: true }
    }
  }),
  defineOperation({
    name: 'store.updateBucket',
    tier: 'admin',
    request: Type.Object({ name: Name, updates: JsonObject }),
    touches: touchesBucket('store.updateBucket', 'name'),
    async run ({ access }, r) {
      await updateBucket(access, r.name, r.updates)
      return { name: r.name, updated: true }
    }
  }),
  defineOperation({
    name: 'store.getBucketSchema',
    tier: 'admin',
    request: Named,
    touches: touchesBucket('store.getBucketSchema', 'name'),
    run: async ({ access }, r) => ({ name: r.name, config: access.definition(r.name) })
  }),
  defineOperation({
    name: 'store.defineQuery',
    tier: 'admin',
    request: Type.Object({ name: Name, config: JsonObject }),
    touches: request => [
      { operation: 'store.defineQuery', type: 'query', name: nameIn(request['name']) },
      { operation: 'store.where', type: 'bucket', name: nameIn((request['config'] as { bucket?: unknown } | null | undefined)?.bucket) }
    ],
    async run ({ access }, r) {
      const config = checkQueryConfig(r.config)
      if (!access.store.hasBucket(config.bucket)) throw bucketNotDefined(config.bucket)
      access.store.defineDeclarativeQuery(r.name, config)
      return { name: r.name, defined: true }
    }
  }),
  defineOperation({
    name: 'store.undefineQuery',
    tier: 'admin',
    request: Named,
    touches: touchesQuery('store.undefineQuery', 'name'),
    async run ({ access }, r) {
      if (!access.store.undefineQuery(r.name)) throw queryNotDefined(r.name)
      return { name: r.name, undefined: true }
    }
  }),
  defineOperation({
    name: 'store.listQueries',
    tier: 'admin',
    request: Type.Object({}),
    touches: touchesServer('store.listQueries'),
    run: async ({ access, feeds }) => ({
      queries: access.store.getQueries().map(({ name, type, config }) => ({ name, type, activeSubscriptions: feeds.subscribersOf(name), config }))
    })
  })
]
