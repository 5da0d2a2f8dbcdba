import type { ClearChange, Commit, DefinitionChange, QueryChange, RecordChange } from './commit.js'
import type {
  BucketDeletedEvent, BucketInsertedEvent, BucketUpdatedEvent
} from './events.js'
import type { BucketName, KeyOf, RecordOf, StoreSchema } from './record-types.js'

interface TypedRecordChange<S extends StoreSchema, N extends BucketName<S>> extends RecordChange {
  readonly bucket: N
  readonly key: KeyOf<S, N>
}

export interface TypedInsert<S extends StoreSchema, N extends BucketName<S>> extends TypedRecordChange<S, N> {
  readonly type: 'insert'
  readonly before: undefined
  readonly after: RecordOf<S, N>
}

export interface TypedUpdate<S extends StoreSchema, N extends BucketName<S>> extends TypedRecordChange<S, N> {
  readonly type: 'update'
  readonly before: RecordOf<S, N>
  readonly after: RecordOf<S, N>
}

export interface TypedDelete<S extends StoreSchema, N extends BucketName<S>> extends TypedRecordChange<S, N> {
  readonly type: 'delete'
  readonly before: RecordOf<S, N>
  readonly after: undefined
}

/** A change of a store of a schema; `type` and `bucket` together tell the types of the records. */
export type TypedChange<S extends StoreSchema> = {
  [N in BucketName<S>]: TypedInsert<S, N> | TypedUpdate<S, N> | TypedDelete<S, N>
}[BucketName<S>] | ClearChange | DefinitionChange | QueryChange

export interface TypedCommit<S extends StoreSchema> extends Commit {
  readonly changes: ReadonlyArray<TypedChange<S>>
}

export interface TypedInsertedEvent<S extends StoreSchema, N extends BucketName<S>>
  extends BucketInsertedEvent {
  readonly bucket: N
  readonly key: KeyOf<S, N>
  readonly record: RecordOf<S, N>
}

export interface TypedUpdatedEvent<S extends StoreSchema, N extends BucketName<S>>
  extends BucketUpdatedEvent {
  readonly bucket: N
  readonly key: KeyOf<S, N>
  readonly oldRecord: RecordOf<S, N>
  readonly newRecord: RecordOf<S, N>
}

export interface TypedDeletedEvent<S extends StoreSchema, N extends BucketName<S>>
  extends BucketDeletedEvent {
  readonly bucket: N
  readonly key: KeyOf<S, N>
  readonly record: RecordOf<S, N>
}

interface EventsOf<S extends StoreSchema, N extends BucketName<S>> {
  readonly inserted: TypedInsertedEvent<S, N>
  readonly updated: TypedUpdatedEvent<S, N>
  readonly deleted: TypedDeletedEvent<S, N>
}

type EventType = 'inserted' | 'updated' | 'deleted'

/** Topics of a store of a schema, with wildcards too. */
export type TopicOf<S extends StoreSchema> =
  ('*' | 'bucket.*' | `bucket.${(keyof S & string) | '*'}.${EventType | '*'}`) extends infer P extends string
    ? P
    : never

/**
 * The events of a topic. Of a topic that is known as no literal they are `any`, so that the store can be
 * passed for one without a schema.
 */
export type EventOf<S extends StoreSchema, P extends TopicOf<S>> =
  [TopicOf<S>] extends [P] ? any : EventOfTopic<S, P>

type EventOfTopic<S extends StoreSchema, P extends string> =
  P extends '*' | 'bucket.*'
    ? EventsOfAll<S, EventType>
    : P extends `bucket.${infer N}.${infer T extends EventType | '*'}`
      ? N extends '*'
        ? EventsOfAll<S, TypesOf<T>>
        : N extends BucketName<S> ? EventsOf<S, N>[TypesOf<T>] : never
      : never

type TypesOf<T extends EventType | '*'> = T extends EventType ? T : EventType

type EventsOfAll<S extends StoreSchema, T extends EventType> =
  { [N in BucketName<S>]: EventsOf<S, N>[T] }[BucketName<S>]
