import { Type } from 'typebox'
import type { Grant } from '../access/grant.js'
import { checkFilter } from '../store/filter.js'
import { firstMatching, lastMatching, pageMatching, type Reading } from '../store/filtered-slice.js'
import { aggregateField, groupRecords } from '../store/group-by.js'
import { fieldsIn, fieldsOfFilter, fieldsOfGroups } from '../store/named-fields.js'
import type { StoreAccess } from '../store/store-access.js'
import { withoutSystemBuckets } from '../store/system-buckets.js'
import {
  GroupBy, JsonObject, Key, MaybeLimit, MaybeObject, Name, PositiveInteger
} from '../protocol/fields.js'
import { defineOperation, touchesRecords, type Operation } from './operation.js'

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

/** The bucket as the request reaches it under `operation`. */
function reading (access: StoreAccess, operation: string, bucket: string, grant: Grant): Reading {
  return { reads: access.read(bucket, grant.rows(operation, bucket)), definition: access.definition(bucket) }
}

type FieldAggregate = 'sum' | 'avg' | 'min' | 'max'

function fieldAggregate (method: FieldAggregate): Operation {
  return defineOperation({
    name: `store.${method}`,
    tier: 'read',
    request: FieldOf,
    touches: touchesRecords,
    check: checkFilterOf,
    fields: r => [...fieldsIn(r.field, 'field'), ...fieldsOf(r)],
    run: async ({ access }, r, grant) =>
      await aggregateField(
        access.read(r.bucket, grant.rows(`store.${method}`, r.bucket)),
        method,
        r.field,
        filterOf(r)
      )
  })
}

/** The reading operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeRead: readonly Operation[] = [
  defineOperation({
    name: 'store.get',
    tier: 'read',
    request: Type.Object({ bucket: Name, key: Key }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.get', r.bucket)).get(r.key)
  }),
  defineOperation({
    name: 'store.all',
    tier: 'read',
    request: Type.Object({ bucket: Name }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.all', r.bucket)).all()
  }),
  defineOperation({
    name: 'store.where',
    tier: 'read',
    request: Type.Object({ bucket: Name, filter: JsonObject, limit: MaybeLimit }),
    touches: touchesRecords,
    check: checkFilterOf,
    fields: fieldsOf,
    async run ({ access }, r, grant) {
      const records = await access.read(r.bucket, grant.rows('store.where', r.bucket)).where(r.filter)
      return r.limit == null ? records : records.slice(0, r.limit)
    }
  }),
  defineOperation({
    name: 'store.findOne',
    tier: 'read',
    request: Filtered,
    touches: touchesRecords,
    check: checkFilterOf,
    fields: fieldsOf,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.findOne', r.bucket)).findOne(r.filter)
  }),
  defineOperation({
    name: 'store.count',
    tier: 'read',
    request: MaybeFiltered,
    touches: touchesRecords,
    check: checkFilterOf,
    fields: fieldsOf,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.count', r.bucket)).count(filterOf(r))
  }),
  defineOperation({
    name: 'store.first',
    tier: 'read',
    request: Slice,
    touches: touchesRecords,
    check: checkFilterOf,
    fields: fieldsOf,
    async run ({ access }, r, grant) {
      const from = reading(access, 'store.first', r.bucket, grant)
      return r.filter == null ? await from.reads.first(r.n) : await firstMatching(from, r.filter, r.n)
    }
  }),
  defineOperation({
    name: 'store.last',
    tier: 'read',
    request: Slice,
    touches: touchesRecords,
    check: checkFilterOf,
    fields: fieldsOf,
    async run ({ access }, r, grant) {
      const from = reading(access, 'store.last', r.bucket, grant)
      return r.filter == null ? await from.reads.last(r.n) : await lastMatching(from, r.filter, r.n)
    }
  }),
  defineOperation({
    name: 'store.paginate',
    tier: 'read',
    request: Type.Object({
      bucket: Name, limit: PositiveInteger, after: Type.Optional(Type.Unknown()), filter: MaybeObject
    }),
    touches: touchesRecords,
    check: checkFilterOf,
    fields: fieldsOf,
    async run ({ access }, r, grant) {
      // A client that sends its empty cursor as null asks for the first page.
      const page = { limit: r.limit, after: r.after ?? undefined }
      const from = reading(access, 'store.paginate', r.bucket, grant)
      return r.filter == null ? await from.reads.paginate(page) : await pageMatching(from, r.filter, page)
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
    touches: touchesRecords,
    check: checkFilterOf,
    fields: r => fieldsOfGroups(r),
    run: async ({ access }, r, grant) =>
      await groupRecords(
        access.read(r.bucket, grant.rows('store.groupBy', r.bucket)),
        r.field,
        r.aggregate,
        filterOf(r)
      )
  }),
  defineOperation({
    name: 'store.buckets',
    tier: 'read',
    request: Type.Object({}),
    run: async ({ access }) => withoutSystemBuckets(await access.store.getStats(), access).buckets
  }),
  defineOperation({
    name: 'store.stats',
    tier: 'read',
    request: Type.Object({}),
    run: async ({ getStats }, _request, { client }) => (await getStats(client.session)).store
  })
]
