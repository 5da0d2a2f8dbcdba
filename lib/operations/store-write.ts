import { Type } from 'typebox'
import { checkFilter } from '../store/filter.js'
import { fieldsOfFilter, fieldsOfIncrement } from '../store/named-fields.js'
import { Writes } from '../store/writes.js'
import {
  Count, ExpectedVersion, incrementFields, JsonObject, Key, Name, RecordBatch
} from '../protocol/fields.js'
import type { OperationContext } from './context.js'
import { defineOperation, lengthOf, wholeBucket, recordsOfBucket, type Operation } from './operation.js'
import { done, StoredRecord, StoredRecords } from './outputs.js'

/** Returns the writes that a request may make. */
const writes = ({ server, grant }: OperationContext): Writes => new Writes(server.sharedStore, grant)

const BucketData = Type.Object({ bucket: Name, data: JsonObject })

/** The writing operations of the `store` namespace. PROTOCOL.md, "Data operations". */
export const storeWrite: readonly Operation[] = [
  defineOperation({
    name: 'store.insert',
    tier: 'write',
    takesKey: true,
    request: BucketData,
    resources: recordsOfBucket,
    output: StoredRecord,
    errors: ['BUCKET_NOT_DEFINED', 'ALREADY_EXISTS'],
    run: (context, r) => writes(context).insert(r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.insertMany',
    tier: 'write',
    takesKey: true,
    charges: request => [{ operation: 'store.insertMany', times: Math.max(1, lengthOf(request['data'])) }],
    request: Type.Object({ bucket: Name, data: RecordBatch }),
    resources: recordsOfBucket,
    output: StoredRecords,
    errors: ['BUCKET_NOT_DEFINED', 'ALREADY_EXISTS'],
    run: (context, r) => writes(context).insertMany(r.bucket, r.data)
  }),
  defineOperation({
    name: 'store.upsert',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ bucket: Name, data: JsonObject, expectedVersion: ExpectedVersion }),
    resources: recordsOfBucket,
    output: StoredRecord,
    errors: ['BUCKET_NOT_DEFINED', 'CONFLICT', 'ALREADY_EXISTS'],
    run: (context, r) => writes(context).upsert(r.bucket, r.data, r.expectedVersion)
  }),
  defineOperation({
    name: 'store.update',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ bucket: Name, key: Key, data: JsonObject, expectedVersion: ExpectedVersion }),
    resources: recordsOfBucket,
    output: StoredRecord,
    errors: ['BUCKET_NOT_DEFINED', 'NOT_FOUND', 'CONFLICT', 'ALREADY_EXISTS'],
    run: (context, r) => writes(context).update(r.bucket, r.key, r.data, r.expectedVersion)
  }),
  defineOperation({
    name: 'store.increment',
    tier: 'write',
    takesKey: true,
    request: Type.Object(incrementFields),
    resources: recordsOfBucket,
    fields: r => fieldsOfIncrement(r.field, 'field'),
    output: StoredRecord,
    errors: ['BUCKET_NOT_DEFINED', 'NOT_FOUND', 'CONFLICT'],
    run: (context, r) => writes(context).increment(r.bucket, r)
  }),
  defineOperation({
    name: 'store.updateMany',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ bucket: Name, filter: JsonObject, data: JsonObject }),
    resources: recordsOfBucket,
    check: r => { checkFilter(r.filter, 'filter') },
    fields: r => fieldsOfFilter(r.filter, 'filter'),
    output: Count,
    errors: ['BUCKET_NOT_DEFINED', 'ALREADY_EXISTS'],
    run: (context, r) => writes(context).updateMany(r.bucket, r.filter, r.data)
  }),
  defineOperation({
    name: 'store.delete',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ bucket: Name, key: Key, expectedVersion: ExpectedVersion }),
    resources: recordsOfBucket,
    output: done('deleted'),
    errors: ['BUCKET_NOT_DEFINED', 'CONFLICT'],
    run: (context, r) => writes(context).delete(r.bucket, r.key, r.expectedVersion),
    reply: () => ({ deleted: true })
  }),
  defineOperation({
    name: 'store.deleteMany',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ bucket: Name, filter: JsonObject }),
    resources: recordsOfBucket,
    check: r => { checkFilter(r.filter, 'filter') },
    fields: r => fieldsOfFilter(r.filter, 'filter'),
    output: Count,
    errors: ['BUCKET_NOT_DEFINED', 'CONFLICT'],
    run: (context, r) => writes(context).deleteMany(r.bucket, r.filter)
  }),
  defineOperation({
    name: 'store.clear',
    tier: 'write',
    takesKey: true,
    request: Type.Object({ bucket: Name }),
    resources: wholeBucket('bucket'),
    output: done('cleared'),
    errors: ['BUCKET_NOT_DEFINED'],
    run: (context, r) => writes(context).clear(r.bucket),
    reply: () => ({ cleared: true })
  })
]
