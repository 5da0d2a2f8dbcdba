import { Type } from 'typebox'
import { clearBucket, deleteRecord, deleteRecords } from '../store/delete.js'
import { checkFilter } from '../store/filter.js'
import { insertRecord, insertRecords, upsertRecord } from '../store/insert.js'
import { updateRecord, updateRecords } from '../store/update.js'
import { JsonObject, Key, Name, RecordBatch } from '../protocol/fields.js'
import { defineOperation, touchesBucket, type Operation } from './operation.js'

const BucketData = Type.Object({ bucket: Name, data: JsonObject })

/** The writing operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeWrite: readonly Operation[] = [
  defineOperation({
    name: 'store.insert',
    tier: 'write',
    request: BucketData,
    touches: touchesBucket('store.insert'),
    run: async ({ access }, r) => await insertRecord(access, r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.insertMany',
    tier: 'write',
    request: Type.Object({ bucket: Name, data: RecordBatch }),
    touches: touchesBucket('store.insertMany'),
    run: async ({ access }, r) => await insertRecords(access, r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.upsert',
    tier: 'write',
    request: BucketData,
    touches: touchesBucket('store.upsert'),
    run: async ({ access }, r) => await upsertRecord(access, r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.update',
    tier: 'write',
    request: Type.Object({ bucket: Name, key: Key, data: JsonObject }),
    touches: touchesBucket('store.update'),
    run: async ({ access }, r) => await updateRecord(access, r.bucket, r.key, r.data)
  }),
  defineOperation({
    name: 'store.updateMany',
    tier: 'write',
    request: Type.Object({ bucket: Name, filter: JsonObject, data: JsonObject }),
    touches: touchesBucket('store.updateMany'),
    check: r => { checkFilter(r.filter, 'filter') },
    run: async ({ access }, r) => await updateRecords(access, r.bucket, r.filter, r.data)
  }),
  defineOperation({
    name: 'store.delete',
    tier: 'write',
    request: Type.Object({ bucket: Name, key: Key }),
    touches: touchesBucket('store.delete'),
    async run ({ access }, r) {
      await deleteRecord(access, r.bucket, r.key)
      return { deleted: true }
    }
  }),
  defineOperation({
    name: 'store.deleteMany',
    tier: 'write',
    request: Type.Object({ bucket: Name, filter: JsonObject }),
    touches: touchesBucket('store.deleteMany'),
    check: r => { checkFilter(r.filter, 'filter') },
    run: async ({ access }, r) => await deleteRecords(access, r.bucket, r.filter)
  }),
  defineOperation({
    name: 'store.clear',
    tier: 'write',
    request: Type.Object({ bucket: Name }),
    touches: touchesBucket('store.clear'),
    async run ({ access }, r) {
      await clearBucket(access, r.bucket)
      return { cleared: true }
    }
  })
]
