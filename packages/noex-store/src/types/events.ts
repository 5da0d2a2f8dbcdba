import type { StoreRecord } from './record.js'

/** Kind of a change of a record. */
export type BucketEventType = 'inserted' | 'updated' | 'deleted'

/** Event of `bucket.NAME.inserted`. */
export interface BucketInsertedEvent {
  readonly type: 'inserted'
  readonly bucket: string
  readonly key: unknown
  readonly record: StoreRecord
}

/** Event of `bucket.NAME.updated`, with the record before and after. */
export interface BucketUpdatedEvent {
  readonly type: 'updated'
  readonly bucket: string
  readonly key: unknown
  readonly oldRecord: StoreRecord
  readonly newRecord: StoreRecord
}

/** Event of `bucket.NAME.deleted`, with the record as it was. */
export interface BucketDeletedEvent {
  readonly type: 'deleted'
  readonly bucket: string
  readonly key: unknown
  readonly record: StoreRecord
}

/** One changed record, published on `bucket.NAME.TYPE`. */
export type BucketEvent = BucketInsertedEvent | BucketUpdatedEvent | BucketDeletedEvent
