// The types of a schema, for programs that see records from afar: nothing here needs the types of Node.
export type { DeclarativeQueryConfig } from './query.js'
export type { BucketName, InsertOf, KeyOf, RecordOf, StoreSchema, UpdateOf } from './record-types.js'
export type { RecordMeta } from './record.js'
export type { BucketDefinition, BucketSchemaUpdate, FieldDefinition } from './schema.js'
export type { ConditionOf } from './typed-filter.js'
export type { Query } from './typed-query.js'
