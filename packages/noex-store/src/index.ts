export type {
  BucketDefinition, BucketFields, BucketSchemaUpdate, EtsTableType, FieldDefinition, FieldType, FormatType,
  GeneratedType, IncompleteBucket,
  OnDeleteAction, SchemaDefinition
} from './types/schema.js'
export type { RecordMeta, StoreRecord } from './types/record.js'
export type {
  BucketDeletedEvent, BucketEvent, BucketEventType, BucketInsertedEvent, BucketUpdatedEvent
} from './types/events.js'
export type { FilterOperators, FilterValue, WhereFilter } from './types/filter.js'
export type {
  Aggregate, AggregateFunction, DeclarativeQueryConfig, FindOptions, GroupByResult, PaginatedResult,
  PaginateOptions,
  QueryBucket, QueryContext, QueryDependencies, QueryFn, QueryInfo, QueryRunOptions, QueryType, ReadFilter,
  ReadObserver, Sort
} from './types/query.js'
export type { AccessOptions, TypedAccessOptions, WorkMeter } from './types/access.js'
export type {
  Change, Changes, ClearChange, Commit, CommitCause, CommitNote, DefinitionChange, DefinitionOptions,
  PendingWrite, QueryChange, RecordChange, RememberedKeys, RememberedRequest, IdempotentRequest,
  RememberOptions, RequestAnswer, RequestToRemember, TransactionOptions, UpsertOptions, WriteOptions
} from './types/commit.js'
export type {
  DurabilityNotice, DurabilityOptions, DurabilityStatus, LogFacts, RecoveryProgress, SnapshotInfo
} from './types/durability.js'
export type { EndRead } from './log/store-log.js'
export type { BackupInfo, StorePersistenceConfig } from './types/persistence.js'
export type { PersistedState, PersistenceKey, StateMetadata, StorageAdapter } from './storage/adapter.js'
export type {
  Migration, MigrationBucketHandle, MigrationContext, MigrationResult
} from './types/migration.js'
export type { TypedView, TypedViewConfig, TypedViews } from './types/typed-view.js'
export type { StoreOptions, StoreStats } from './types/store.js'
export type {
  TouchedRow, View, ViewConfig, ViewListener, ViewOptions, ViewPage, Views
} from './types/view.js'
export type { Anything, DateValue, InputOf, ValueOf } from './types/field-value.js'
export type {
  BucketName, FieldName, FieldsOf, InsertOf, KeyOf, RecordOf, StoreSchema, UpdateOf
} from './types/record-types.js'
export type {
  ConditionOf, EqualityOperators, FilterOf, NumericPath, OrderOperators, PathOf, PresenceOperators,
  TextOperators, ValueAt
} from './types/typed-filter.js'
export type { ConfigParams, ParamsIn, Placeholder } from './types/query-params.js'
export type {
  ConfigAggregate, ConfigResult, KeptFields, ParamsOf, Query, QueryName, ResultOf,
  TypedAggregate, TypedFindOptions, TypedGroup, TypedPage, TypedPageOptions, TypedQueryBucket,
  TypedQueryConfig, TypedQueryContext, TypedReads
} from './types/typed-query.js'
export type {
  EventOf, TopicOf, TypedChange, TypedCommit, TypedDelete, TypedDeletedEvent, TypedInsert,
  TypedInsertedEvent, TypedUpdate, TypedUpdatedEvent
} from './types/typed-changes.js'
export type {
  ChangesOf, TypedBucket, TypedTransaction, TypedTransactionBucket, TypedTransactionWrites,
  TypedUpsertOptions, TypedWrites
} from './store/typed-bucket.js'
export type { TypedStore, TypedStoreOptions } from './store/typed-store.js'
export type { CheckedSchema } from './types/checked-schema.js'
export type { BackupData } from './persistence/backups.js'
export type { BucketImage, ChangeLog, LogEntry, OpenedLog, StoreImage } from './log/change-log.js'
export type { ChangedKey, ChangedKeys, ChangedKeysBounds } from './commit/changed-keys.js'
export type { RememberedRequests } from './commit/remembered-requests.js'
export type { CommitListener } from './commit/commit-notifier.js'
export type { RebuildTransform, TransformRecords } from './commit/redefinitions.js'
export type { TransformRecord } from './commit/bucket-copy.js'
export type { BridgeOptions, EventReceiver } from './bridge/rules-bridge.js'
export {
  AggregateOverflowError, BackupNotFoundError, BucketAlreadyExistsError, BucketNotDefinedError,
  CommitMismatchError, CommitTooLargeError, DefinitionError, DefinitionMismatchError,
  DefinitionMissingError, DuplicateKeyError, FilterError, InputTooLargeError, isStoreError, NotLeaderError,
  OutOfScopeError, PersistenceRequiredError, QueryAlreadyDefinedError, QueryNotDefinedError,
  QuotaExceededError, RecordExistsError, RecordNotFoundError, ReferentialIntegrityError,
  RequestRepeatedError, StoreError, StoreStoppedError, StoreUnavailableError, TooManyRunsError,
  TransactionConflictError, UniqueConstraintError, ValidationError, ValidatorError, VersionMismatchError,
  WorkBudgetError, type StoreErrorCode, type ValidationIssue
} from './errors.js'
export { Store } from './store/store.js'
export { slicer, type Slicer } from './scan/slicer.js'
export { BucketHandle } from './store/bucket-handle.js'
export { TransactionContext } from './transaction/transaction.js'
export { TransactionBucketHandle } from './transaction/transaction-bucket.js'
export { MAX_NESTING } from './schema/validator.js'
export { SchemaValidator } from './bucket/schema-validator.js'
export { ExactSum } from './query/exact-sum.js'
export { matchesFilter } from './filter/filter.js'
export { parseTtl } from './schema/ttl.js'
export { defineSchema } from './schema/define-schema.js'
export { generateCuid, generateTimestamp, generateUuid } from './schema/generate.js'
export { isValidEmail, isValidIsoDate, isValidUrl } from './schema/format.js'
export { instantOf } from './schema/instant.js'
export { runMigrations } from './migration/run-migrations.js'
export { bridgeStoreToRules } from './bridge/rules-bridge.js'
export type { AttachOptions } from './log/attached-log.js'
export { LogAheadError, LogFollowedError, LogRefusedError, LogUnansweredError } from './log/change-log.js'
export { FileLog, type FileLogOptions } from './log/file-log.js'
export { MemoryLog } from './log/memory-log.js'
export {
  ChecksumMismatchError, CorruptedStateError, DeserializationError, PersistenceError, SerializationError,
  StorageError, type StorageOperation
} from './storage/errors.js'
export { FileAdapter, type FileAdapterOptions } from './storage/file-adapter.js'
export { MemoryAdapter, type MemoryAdapterOptions } from './storage/memory-adapter.js'
export { defaultSerializer, type StateSerializer } from './storage/serializer.js'
