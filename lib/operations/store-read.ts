import { Type } from 'typebox'
import { checkFilter } from '../store/filter.js'
import { GroupBy, JsonObject, Key, MaybeObject, Name, PositiveInteger } from '../protocol/fields.js'
import { defineOperation, touchesBucket, touchesServer, type Operation } from './operation.js'

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
    touches: touchesBucket(`store.${method}`),
    check: checkFilterOf,
    run: async ({ access }, r) => await access.bucket(r.bucket)[method](r.field, filterOf(r))
  })
}

/** The reading operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeRead: readonly Operation[] = [
  defineOperation({
    name: 'store.get',
    tier: 'read',
    request: Type.Object({ bucket: Name, key: Key }),
    touches: touchesBucket('store.get'),
    run: async ({ access }, r) => await access.bucket(r.bucket).get(r.key)
  }),
  defineOperation({
    name: 'store.all',
    tier: 'read',
    request: Type.Object({ bucket: Name }),
    touches: touchesBucket('store.all'),
    run: async ({ access }, r) => await access.bucket(r.bucket).all()
  }),
  defineOperation({
    name: 'store.where',
    tier: 'read',
    request: Filtered,
    touches: touchesBucket('store.where'),
    check: checkFilterOf,
    run: async ({ access }, r) => await access.bucket(r.bucket).where(r.filter)
  }),
  defineOperation({
    name: 'store.findOne',
    tier: 'read',
    request: Filtered,
    touches: touchesBucket('store.findOne'),
    check: checkFilterOf,
    run: async ({ access }, r) => await access.bucket(r.bucket).findOne(r.filter)
  }),
  defineOperation({
    name: 'store.count',
    tier: 'read',
    request: MaybeFiltered,
    touches: touchesBucket('store.count'),
    check: checkFilterOf,
    run: async ({ access }, r) => await access.bucket(r.bucket).count(filterOf(r))
  }),
  defineOperation({
    name: 'store.first',
    tier: 'read',
    request: Slice,
    touches: touchesBucket('store.first'),
    run: async ({ access }, r) => await access.bucket(r.bucket).first(r.n)
  }),
  defineOperation({
    name: 'store.last',
    tier: 'read',
    request: Slice,
    touches: touchesBucket('store.last'),
    run: async ({ access }, r) => await access.bucket(r.bucket).last(r.n)
  }),
  defineOperation({
    name: 'store.paginate',
    tier: 'read',
    request: Type.Object({ bucket: Name, limit: PositiveInteger, after: Type.Optional(Type.Unknown()) }),
    touches: touchesBucket('store.paginate'),
    // A client that sends its empty cursor as null asks for the first page.
    run: async ({ access }, r) => await access.bucket(r.bucket).paginate({ limit: r.limit, after: r.after ?? undefined })
  }),
  fieldAggregate('sum'),
  fieldAggregate('avg'),
  fieldAggregate('min'),
  fieldAggregate('max'),
  defineOperation({
    name: 'store.groupBy',
    tier: 'read',
    request: GroupBy,
    touches: touchesBucket('store.groupBy'),
    check: checkFilterOf,
    run: async ({ access }, r) => await access.bucket(r.bucket).groupBy(r.field, r.aggregate, filterOf(r))
  }),
  defineOperation({
    name: 'store.buckets',
    tier: 'read',
    request: Type.Object({}),
    touches: touchesServer('store.buckets'),
    run: async ({ access }) => (await access.store.getStats()).buckets
  }),
  defineOperation({
    name: 'store.stats',
    tier: 'read',
    request: Type.Object({}),
    touches: touchesServer('store.stats'),
    run: async ({ getStats }) => (await getStats()).store
  })
]
