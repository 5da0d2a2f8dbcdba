import { Type } from 'typebox'
import { checkFilter } from '../store/filter.js'
import { fieldsOfFilter, fieldsOfIncrement } from '../store/named-fields.js'
import { Writes } from '../store/writes.js'
import { ExpectedVersion, incrementFields, JsonObject, Key, Name, RecordBatch } from '../protocol/fields.js'
import { defineOperation, lengthOf, touchesBucket, touchesRecords, type Operation } from './operation.js'

const BucketData = Type.Object({ bucket: Name, data: JsonObject })

/** The writing operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeWrite: readonly Operation[] = [
  defineOperation({
    name: 'store.insert',
    tier: 'write',
    request: BucketData,
    touches: touchesRecords,
    run: ({ access }, r, grant) => new Writes(access, grant).insert(r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.insertMany',
    tier: 'write',
    charges: request => [{ operation: 'store.insertMany', times: Math.max(1, lengthOf(request['data'])) }],
    request: Type.Object({ bucket: Name, data: RecordBatch }),
    touches: touchesRecords,
    run: ({ access }, r, grant) => new Writes(access, grant).insertMany(r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.upsert',
    tier: 'write',
    request: Type.Object({ bucket: Name, data: JsonObject, expectedVersion: ExpectedVersion }),
    touches: touchesRecords,
    run: ({ access }, r, grant) =>
      new Writes(access, grant).upsert(r.bucket, r.data, r.expectedVersion)
  }),
  defineOperation({
    name: 'store.update',
    tier: 'write',
    request: Type.Object({ bucket: Name, key: Key, data: JsonObject, expectedVersion: ExpectedVersion }),
    touches: touchesRecords,
    run: ({ access }, r, grant) =>
      new Writes(access, grant).update(r.bucket, r.key, r.data, r.expectedVersion)
  }),
  defineOperation({
    name: 'store.increment',
    tier: 'write',
    request: Type.Object(incrementFields),
    touches: touchesRecords,
    fields: r => fieldsOfIncrement(r.field, 'field'),
    run: ({ access }, r, grant) => new Writes(access, grant).increment(r.bucket, r)
  }),
  defineOperation({
    name: 'store.updateMany',
    tier: 'write',
    request: Type.Object({ bucket: Name, filter: JsonObject, data: JsonObject }),
    touches: touchesRecords,
    check: r => { checkFilter(r.filter, 'filter') },
    fields: r => fieldsOfFilter(r.filter, 'filter'),
    run: ({ access }, r, grant) => new Writes(access, grant).updateMany(r.bucket, r.filter, r.data)
  }),
  defineOperation({
    name: 'store.delete',
    tier: 'write',
    request: Type.Object({ bucket: Name, key: Key, expectedVersion: ExpectedVersion }),
    touches: touchesRecords,
    async run ({ access }, r, grant) {
      await new Writes(access, grant).delete(r.bucket, r.key, r.expectedVersion)
      return { deleted: true }
    }
  }),
  defineOperation({
    name: 'store.deleteMany',
    tier: 'write',
    request: Type.Object({ bucket: Name, filter: JsonObject }),
    touches: touchesRecords,
    check: r => { checkFilter(r.filter, 'filter') },
    fields: r => fieldsOfFilter(r.filter, 'filter'),
    run: ({ access }, r, grant) => new Writes(access, grant).deleteMany(r.bucket, r.filter)
  }),
  defineOperation({
    name: 'store.clear',
    tier: 'write',
    request: Type.Object({ bucket: Name }),
    touches: touchesBucket('bucket'),
    async run ({ access }, r, grant) {
      await new Writes(access, grant).clear(r.bucket)
      return { cleared: true }
    }
  })
]
