import { Type } from 'typebox'
import { clearBucket, deleteRecord, deleteRecords } from '../store/delete.js'
import { checkFilter } from '../store/filter.js'
import { insertRecord, insertRecords, upsertRecord } from '../store/insert.js'
import { fieldsOfFilter, fieldsOfIncrement } from '../store/named-fields.js'
import { runEntry } from '../store/transaction.js'
import { updateRecord, updateRecords } from '../store/update.js'
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
    run: async ({ access }, r, grant) => await insertRecord(access, r.bucket, r.data, grant)
  }),
  defineOperation({
    name: 'store.insertMany',
    tier: 'write',
    charges: request => [{ operation: 'store.insertMany', times: Math.max(1, lengthOf(request['data'])) }],
    request: Type.Object({ bucket: Name, data: RecordBatch }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) => await insertRecords(access, r.bucket, r.data, grant)
  }),
  defineOperation({
    name: 'store.upsert',
    tier: 'write',
    request: Type.Object({ bucket: Name, data: JsonObject, expectedVersion: ExpectedVersion }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) =>
      await upsertRecord(access, r.bucket, r.data, grant, r.expectedVersion)
  }),
  defineOperation({
    name: 'store.update',
    tier: 'write',
    request: Type.Object({ bucket: Name, key: Key, data: JsonObject, expectedVersion: ExpectedVersion }),
    touches: touchesRecords,
    run: async ({ access }, r, grant) =>
      await updateRecord(access, r.bucket, r.key, r.data, grant, r.expectedVersion)
  }),
  defineOperation({
    name: 'store.increment',
    tier: 'write',
    request: Type.Object(incrementFields),
    touches: touchesRecords,
    fields: r => fieldsOfIncrement(r.field, 'field'),
    run: async ({ access }, r, grant) => await runEntry(access, { ...r, op: 'increment' }, grant)
  }),
  defineOperation({
    name: 'store.updateMany',
    tier: 'write',
    request: Type.Object({ bucket: Name, filter: JsonObject, data: JsonObject }),
    touches: touchesRecords,
    check: r => { checkFilter(r.filter, 'filter') },
    fields: r => fieldsOfFilter(r.filter, 'filter'),
    run: async ({ access }, r, grant) => await updateRecords(access, r.bucket, r.filter, r.data, grant)
  }),
  defineOperation({
    name: 'store.delete',
    tier: 'write',
    request: Type.Object({ bucket: Name, key: Key, expectedVersion: ExpectedVersion }),
    touches: touchesRecords,
    async run ({ access }, r, grant) {
      await deleteRecord(access, r.bucket, r.key, grant, r.expectedVersion)
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
    run: async ({ access }, r, grant) => await deleteRecords(access, r.bucket, r.filter, grant)
  }),
  defineOperation({
    name: 'store.clear',
    tier: 'write',
    request: Type.Object({ bucket: Name }),
    touches: touchesBucket('bucket'),
    async run ({ access }, r, grant) {
      await clearBucket(access, r.bucket, grant)
      return { cleared: true }
    }
  })
]
