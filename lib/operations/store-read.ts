import type { BucketHandle } from '@hamicek/noex-store'
import { Type } from 'typebox'
import type { Grant } from '../permissions/grant.js'
import { checkFilter } from '../store/filter.js'
import { fieldsIn, fieldsOfFilter, fieldsOfGroups } from '../store/named-fields.js'
import { accessOf } from '../store/row-scope.js'
import { isSystemBucket } from '../store/system-buckets.js'
import {
  GroupBy, JsonObject, Key, MaybeLimit, MaybeObject, Name, PositiveInteger
} from '../protocol/fields.js'
import { defineOperation, recordsOfBucket, type Operation, type ServerContext } from './operation.js'

const Filtered = Type.Object({ bucket: Name, filter: JsonObject })
const MaybeFiltered = Type.Object({ bucket: Name, filter: MaybeObject })
const FieldOf = Type.Object({ bucket: Name, field: Name, filter: MaybeObject })
const Slice = Type.Object({ bucket: Name, n: PositiveInteger, filter: MaybeObject })

interface MaybeFilter {
  readonly filter?: Record<string, unknown> | null
}

/** The filter of a request whose `filter` may be absent or null. */
const filterOf = (request: MaybeFilter) => request.filter ?? undefined

const checkFilterOf = (request: MaybeFilter) => {
  if (request.filter != null) checkFilter(request.filter, 'filter')
}

const fieldsOf = (request: MaybeFilter) => fieldsOfFilter(request.filter, 'filter')

/** What a request may read of its bucket. */
function reads (
  operation: string, { sharedStore }: ServerContext, { bucket }: { readonly bucket: string }, grant: Grant
): BucketHandle {
  return sharedStore.bucket(bucket, accessOf(grant, operation, bucket))
}

type FieldAggregate = 'sum' | 'avg' | 'min' | 'max'

function fieldAggregate (method: FieldAggregate): Operation {
  return defineOperation({
    name: `store.${method}`,
    tier: 'read',
    request: FieldOf,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: r => [...fieldsIn(r.field, 'field'), ...fieldsOf(r)],
    run: (services, r, grant) =>
      reads(`store.${method}`, services, r, grant)[method](r.field, filterOf(r))
  })
}

/** The reading operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeRead: readonly Operation[] = [
  defineOperation({
    name: 'store.get',
    tier: 'read',
    request: Type.Object({ bucket: Name, key: Key }),
    resources: recordsOfBucket,
    run: (services, r, grant) => reads('store.get', services, r, grant).get(r.key)
  }),
  defineOperation({
    name: 'store.all',
    tier: 'read',
    request: Type.Object({ bucket: Name }),
    resources: recordsOfBucket,
    run: (services, r, grant) => reads('store.all', services, r, grant).all()
  }),
  defineOperation({
    name: 'store.where',
    tier: 'read',
    request: Type.Object({ bucket: Name, filter: JsonObject, limit: MaybeLimit }),
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    run: (services, r, grant) =>
      reads('store.where', services, r, grant).find({ filter: r.filter, limit: r.limit ?? undefined })
  }),
  defineOperation({
    name: 'store.findOne',
    tier: 'read',
    request: Filtered,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    run: (services, r, grant) => reads('store.findOne', services, r, grant).findOne(r.filter)
  }),
  defineOperation({
    name: 'store.count',
    tier: 'read',
    request: MaybeFiltered,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    run: (services, r, grant) => reads('store.count', services, r, grant).count(filterOf(r))
  }),
  defineOperation({
    name: 'store.first',
    tier: 'read',
    request: Slice,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    run: (services, r, grant) => reads('store.first', services, r, grant).first(r.n, filterOf(r))
  }),
  defineOperation({
    name: 'store.last',
    tier: 'read',
    request: Slice,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    run: (services, r, grant) => reads('store.last', services, r, grant).last(r.n, filterOf(r))
  }),
  defineOperation({
    name: 'store.paginate',
    tier: 'read',
    request: Type.Object({
      bucket: Name, limit: PositiveInteger, after: Type.Optional(Type.Unknown()), filter: MaybeObject
    }),
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    async run (services, r, grant) {
      // A client that sends its empty cursor as null asks for the first page.
      const page = { limit: r.limit, after: r.after ?? undefined, filter: filterOf(r) }
      return await reads('store.paginate', services, r, grant).paginate(page)
    }
  }),
  fieldAggregate('sum'),
  fieldAggregate('avg'),
  fieldAggregate('min'),
  fieldAggregate('max'),
  defineOperation({
    name: 'store.groupBy',
    tier: 'read',
    request: GroupBy,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: r => fieldsOfGroups(r),
    run: (services, r, grant) =>
      reads('store.groupBy', services, r, grant).groupBy(r.field, r.aggregate, filterOf(r))
  }),
  defineOperation({
    name: 'store.buckets',
    tier: 'read',
    request: Type.Object({}),
    async run ({ sharedStore }) {
      const names = sharedStore.bucketNames().filter(name => !isSystemBucket(name, sharedStore))
      return { count: names.length, names }
    }
  }),
  defineOperation({
    name: 'store.stats',
    tier: 'read',
    request: Type.Object({}),
    run: async ({ getStats }, _request, { client }) => (await getStats(client.session)).store
  })
]
