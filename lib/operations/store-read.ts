import type { QueryBucket } from '@hamicek/noex-store'
import { Type } from 'typebox'
import type { Grant } from '../access/grant.js'
import { checkFilter } from '../store/filter.js'
import { visible } from '../store/row-filter.js'
import { withoutSystemBuckets } from '../store/system-buckets.js'
import { GroupBy, JsonObject, Key, MaybeObject, Name, PositiveInteger } from '../protocol/fields.js'
import { defineOperation, touchesRecords, type Operation, type Services } from './operation.js'

const Filtered = Type.Object({ bucket: Name, filter: JsonObject })
const MaybeFiltered = Type.Object({ bucket: Name, filter: MaybeObject })
const FieldOf = Type.Object({ bucket: Name, field: Name, filter: MaybeObject })
const Slice = Type.Object({ bucket: Name, n: PositiveInteger })

/** The filter of a request whose `filter` may be absent or null. */
const filterOf = (request: { readonly filter?: Record<string, unknown> | null }) => request.filter ?? undefined

const checkFilterOf = (request: { readonly filter?: Record<string, unknown> | null }) => {
  if (request.filter != null) checkFilter(request.filter, 'filter')
}

/** What a request may read of its bucket. To be used at once. */
function reads (
  operation: string, { access }: Services, { bucket }: { readonly bucket: string }, grant: Grant
): QueryBucket {
  return access.read(bucket, grant.rows(operation, bucket), grant.work)
}

type FieldAggregate = 'sum' | 'avg' | 'min' | 'max'

function fieldAggregate (method: FieldAggregate): Operation {
  return defineOperation({
    name: `store.${method}`,
    tier: 'read',
    request: FieldOf,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async (services, r, grant) =>
      await reads(`store.${method}`, services, r, grant)[method](r.field, filterOf(r))
  })
}

/** The reading operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeRead: readonly Operation[] = [
  defineOperation({
    name: 'store.get',
    tier: 'read',
    request: Type.Object({ bucket: Name, key: Key }),
    touches: touchesRecords,
    async run ({ access }, r, grant) {
      return visible(await access.bucket(r.bucket).get(r.key), grant.rows('store.get', r.bucket))
    }
  }),
  defineOperation({
    name: 'store.all',
    tier: 'read',
    request: Type.Object({ bucket: Name }),
    touches: touchesRecords,
    run: async (services, r, grant) => await reads('store.all', services, r, grant).all()
  }),
  defineOperation({
    name: 'store.where',
    tier: 'read',
    request: Filtered,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async (services, r, grant) => await reads('store.where', services, r, grant).where(r.filter)
  }),
  defineOperation({
    name: 'store.findOne',
    tier: 'read',
    request: Filtered,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async (services, r, grant) => await reads('store.findOne', services, r, grant).findOne(r.filter)
  }),
  defineOperation({
    name: 'store.count',
    tier: 'read',
    request: MaybeFiltered,
    touches: touchesRecords,
    check: checkFilterOf,
    run: async (services, r, grant) => await reads('store.count', services, r, grant).count(filterOf(r))
  }),
  defineOperation({
    name: 'store.first',
    tier: 'read',
    request: Slice,
    touches: touchesRecords,
    run: async (services, r, grant) => await reads('store.first', services, r, grant).first(r.n)
  }),
  defineOperation({
    name: 'store.last',
    tier: 'read',
    request: Slice,
    touches: touchesRecords,
    run: async (services, r, grant) => await reads('store.last', services, r, grant).last(r.n)
  }),
  defineOperation({
    name: 'store.paginate',
    tier: 'read',
    request: Type.Object({ bucket: Name, limit: PositiveInteger, after: Type.Optional(Type.Unknown()) }),
    touches: touchesRecords,
    // A client that sends its empty cursor as null asks for the first page.
    async run (services, r, grant) {
      const { limit, after } = r
      return await reads('store.paginate', services, r, grant).paginate({ limit, after: after ?? undefined })
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
    run: async (services, r, grant) =>
      await reads('store.groupBy', services, r, grant).groupBy(r.field, r.aggregate, filterOf(r))
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
