import type {
  BucketHandle, PaginatedResult, QueryContext, Store, StoreRecord, TransactionBucketHandle, WhereFilter
} from '@hamicek/noex-store'
import type * as registry from 'registry-noex-store'
import { expect, test } from 'tstyche'

/** The members of a class, which are not bound to it. */
type Public<T> = { [M in keyof T]: T[M] }

test('what programs for 0.2.0 call has the types that it had', () => {
  expect<Public<BucketHandle>>().type.toBeAssignableTo<Public<registry.BucketHandle>>()
  expect<Public<TransactionBucketHandle>>().type.toBeAssignableTo<Public<registry.TransactionBucketHandle>>()
  expect<QueryContext>().type.toBeAssignableTo<Public<registry.QueryContext>>()
  // Not getBucketSchema: validators may answer later now, so what it returns is wider.
  type Own = 'defineBucket' | 'defineQuery' | 'defineDeclarativeQuery' | 'on' | 'runQuery' | 'subscribe' |
    'updateBucket' | 'dropBucket' | 'createBackup' | 'stop'
  expect<Pick<Store, Own>>().type.toBeAssignableTo<Pick<registry.Store, Own>>()
  expect<StoreRecord>().type.toBeAssignableTo<registry.StoreRecord>()
  expect<registry.WhereFilter>().type.toBeAssignableTo<WhereFilter>()
  expect<PaginatedResult>().type.toBeAssignableTo<registry.PaginatedResult>()
  expect<registry.BucketDefinition>().type.toBeAssignableTo<Parameters<Store['defineBucket']>[1]>()
})
