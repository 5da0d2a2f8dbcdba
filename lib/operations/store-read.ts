import { Type } from 'typebox'
import { checkFilter } from '../store/filter.js'
import { visible } from '../store/row-filter.js'
import { withoutSystemBuckets } from '../store/system-buckets.js'
import { GroupBy, JsonObject, Key, MaybeObject, Name, PositiveInteger } from '../protocol/fields.js'
import { defineOperation, touchesRecords, type Operation } from './operation.js'

const Filtered = Type.Object({ bucket: Name, filter: JsonObject })
const MaybeFiltered = Type.Object({ bucket: Name, filter: MaybeObject })
const FieldOf = Type.Object({ bucket: Name, field: Name, filter: MaybeObject })
const Slice = Type.Object({ bucket: Name, n: PositiveInteger })

/** The filter of a request whose `filter` may be absent or null. */
const filterOf = (request: { readonly filter?: Record<string, unknown> | null }) => request.filter ?? undefined

const checkFilterOf = (request: { readonly filter?: Record<string, unknown> | null }) => {
  if (request.filter != null) checkFilter(request.filter, 'filter')
}

type FieldAggregate = 'sum' | 'avg' | 'min' | 'max'

function fieldAggregate (method: FieldAggregate): Operation {
  return defineOperation({
    name: `store.${method}`,
    tier: 'read',
    request: FieldOf,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows(`store.${method}`, r.bucket), grant.work)[method](r.field, filterOf(r))
  })
}

/** The reading operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeRead: readonly Operation[] = [
  defineOperation({
    name: 'store.get',
    tier: 'read',
    request: Type.Object({ bucket: Name, key: Key }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) => visible(await access.bucket(r.bucket).get(r.key), grant.rows('store.get', r.bucket))
  }),
  defineOperation({
    name: 'store.all',
    tier: 'read',
    request: Type.Object({ bucket: Name }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.all', r.bucket), grant.work).all()
  }),
  defineOperation({
    name: 'store.where',
    tier: 'read',
    request: Filtered,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.where', r.bucket), grant.work).where(r.filter)
  }),
  defineOperation({
    name: 'store.findOne',
    tier: 'read',
    request: Filtered,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.findOne', r.bucket), grant.work).findOne(r.filter)
  }),
  defineOperation({
    name: 'store.count',
    tier: 'read',
    request: MaybeFiltered,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.count', r.bucket), grant.work).count(filterOf(r))
  }),
  defineOperation({
    name: 'store.first',
    tier: 'read',
    request: Slice,
    touches: touchesRecords,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.first', r.bucket), grant.work).first(r.n)
  }),
  defineOperation({
    name: 'store.last',
    tier: 'read',
    request: Slice,
    touches: touchesRecords,
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.last', r.bucket), grant.work).last(r.n)
  }),
  defineOperation({
    name: 'store.paginate',
    tier: 'read',
    request: Type.Object({ bucket: Name, limit: PositiveInteger, after: Type.Optional(Type.Unknown()) }),
    touches: touchesRecords,
    // A client that sends its empty cursor as null asks for the first page.
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.paginate', r.bucket), grant.work).paginate({ limit: r.limit, after: r.after ?? undefined })
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
    run: async ({ access }, r, grant) => await access.read(r.bucket, grant.rows('store.groupBy', r.bucket), grant.work).groupBy(r.field, r.aggregate, filterOf(r))
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
