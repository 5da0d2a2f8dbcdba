import type { BucketHandle } from '@hamicek/noex-store'
import { Type } from 'typebox'
import { checkFilter } from '../store/filter.js'
import { fieldsIn, fieldsOfFilter, fieldsOfGroups } from '../store/named-fields.js'
import { accessOf } from '../store/row-scope.js'
import { isSystemBucket } from '../store/system-buckets.js'
import {
  Count, GroupBy, JsonObject, Key, MaybeLimit, MaybeObject, Name, PositiveInteger
} from '../protocol/fields.js'
import type { OperationContext } from './context.js'
import { defineOperation, recordsOfBucket, type Operation } from './operation.js'
import { nullable, StoredRecord, StoredRecords, StoreFigures } from './outputs.js'

const Filtered = Type.Object({ bucket: Name, filter: JsonObject })
const MaybeFiltered = Type.Object({ bucket: Name, filter: MaybeObject })
const FieldOf = Type.Object({ bucket: Name, field: Name, filter: MaybeObject })
const Slice = Type.Object({ bucket: Name, n: PositiveInteger, filter: MaybeObject })

interface MaybeFilter {
  readonly filter?: Record<string, unknown> | null
}

/** Returns the filter of a request; `undefined` for null. */
const filterOf = (request: MaybeFilter) => request.filter ?? undefined

const checkFilterOf = (request: MaybeFilter) => {
  if (request.filter != null) checkFilter(request.filter, 'filter')
}

const fieldsOf = (request: MaybeFilter) => fieldsOfFilter(request.filter, 'filter')

/** Opens the bucket of a request, confined to the records that the request may read. */
function bucketOf (
  operation: string, { server, grant }: OperationContext, { bucket }: { readonly bucket: string }
): BucketHandle {
  return server.sharedStore.bucket(bucket, accessOf(grant, operation, bucket))
}

function slice (method: 'first' | 'last'): Operation {
  return defineOperation({
    name: `store.${method}`,
    tier: 'read',
    request: Slice,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    output: StoredRecords,
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf(`store.${method}`, context, r)[method](r.n, filterOf(r))
  })
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
    // Of nothing, the sum and the average are 0; there is no least and no greatest value.
    output: method === 'sum' || method === 'avg' ? Type.Number() : nullable(Type.Number()),
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf(`store.${method}`, context, r)[method](r.field, filterOf(r))
  })
}

/** The reading operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeRead: readonly Operation[] = [
  defineOperation({
    name: 'store.get',
    tier: 'read',
    request: Type.Object({ bucket: Name, key: Key }),
    resources: recordsOfBucket,
    output: nullable(StoredRecord),
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf('store.get', context, r).get(r.key)
  }),
  defineOperation({
    name: 'store.all',
    tier: 'read',
    request: Type.Object({ bucket: Name }),
    resources: recordsOfBucket,
    output: StoredRecords,
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf('store.all', context, r).all()
  }),
  defineOperation({
    name: 'store.where',
    tier: 'read',
    request: Type.Object({ bucket: Name, filter: JsonObject, limit: MaybeLimit }),
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    output: StoredRecords,
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) =>
      bucketOf('store.where', context, r).find({ filter: r.filter, limit: r.limit ?? undefined })
  }),
  defineOperation({
    name: 'store.findOne',
    tier: 'read',
    request: Filtered,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    output: nullable(StoredRecord),
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf('store.findOne', context, r).findOne(r.filter)
  }),
  defineOperation({
    name: 'store.count',
    tier: 'read',
    request: MaybeFiltered,
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    output: Count,
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf('store.count', context, r).count(filterOf(r))
  }),
  slice('first'),
  slice('last'),
  defineOperation({
    name: 'store.paginate',
    tier: 'read',
    request: Type.Object({
      bucket: Name,
      limit: PositiveInteger,
      after: Type.Optional(Type.Unknown({ description: 'key' })),
      filter: MaybeObject
    }),
    resources: recordsOfBucket,
    check: checkFilterOf,
    fields: fieldsOf,
    output: Type.Object({
      records: StoredRecords, hasMore: Type.Boolean(), nextCursor: Type.Optional(Type.Unknown())
    }),
    errors: ['BUCKET_NOT_DEFINED'],
    async run (context, r) {
      // An empty cursor may be sent as null: it asks for the first page.
      const page = { limit: r.limit, after: r.after ?? undefined, filter: filterOf(r) }
      return await bucketOf('store.paginate', context, r).paginate(page)
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
    output: Type.Array(Type.Object({ key: JsonObject, value: nullable(Type.Number()) })),
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => bucketOf('store.groupBy', context, r).groupBy(r.field, r.aggregate, filterOf(r))
  }),
  defineOperation({
    name: 'store.buckets',
    tier: 'read',
    request: Type.Object({}),
    output: Type.Object({ count: Count, names: Type.Array(Type.String()) }),
    async run ({ server: { sharedStore } }) {
      const names = sharedStore.bucketNames().filter(name => !isSystemBucket(name, sharedStore))
      return { count: names.length, names }
    }
  }),
  defineOperation({
    name: 'store.stats',
    tier: 'read',
    request: Type.Object({}),
    output: nullable(StoreFigures),
    run: async ({ server: { getStats }, grant }) => (await getStats(grant.principal.session)).store
  })
]
