import { WHOLE_DEFINITION } from './types/schema.js'

/** One reason why a record does not fit its schema. */
export interface ValidationIssue {
  /** Path of the field: `name`, `address.city`, `tags[0]`, or `_record`. */
  readonly field: string
  readonly message: string
  readonly code: string
}

/** Tells the errors of a store from all others, also those of another copy of this package. */
const MARK: unique symbol = Symbol.for('noex.store.error')

/** Code of an error, for programs: see the class that has it. */
export type StoreErrorCode =
  | 'VALIDATION' | 'VALIDATOR' | 'DEFINITION' | 'DEFINITION_MISSING' | 'DEFINITION_MISMATCH' | 'FILTER'
  | 'OUT_OF_SCOPE' | 'BUCKET_EXISTS' | 'BUCKET_NOT_DEFINED' | 'QUERY_EXISTS'
  | 'QUERY_NOT_DEFINED' | 'RECORD_NOT_FOUND' | 'RECORD_EXISTS' | 'DUPLICATE_KEY' | 'UNIQUE' | 'CONFLICT'
  | 'VERSION_MISMATCH' | 'REFERENCE_MISSING' | 'REFERENCE_HELD' | 'QUOTA_EXCEEDED' | 'INPUT_TOO_LARGE'
  | 'COMMIT_TOO_LARGE' | 'WORK_BUDGET' | 'AGGREGATE_OVERFLOW' | 'STORE_STOPPED' | 'STORE_UNAVAILABLE'
  | 'NOT_LEADER'
  | 'COMMIT_MISMATCH' | 'REQUEST_REPEATED' | 'TOO_MANY_RUNS' | 'PERSISTENCE_REQUIRED' | 'BACKUP_NOT_FOUND'

/** An error that the store itself raises. */
export abstract class StoreError extends Error {
  readonly [MARK] = true
  abstract readonly code: StoreErrorCode
}

/** Tells whether a value is an error of a store, of whichever copy of this package. */
export function isStoreError (error: unknown): error is StoreError {
  return error instanceof Error && MARK in error
}

/** Refuses a record that does not fit the schema of its bucket. */
export class ValidationError extends StoreError {
  override readonly name = 'ValidationError'
  readonly code = 'VALIDATION'
  readonly issues: readonly ValidationIssue[]

  constructor (readonly bucket: string, issues: readonly ValidationIssue[]) {
    const summary = issues.map(({ field, message }) => `${field}: ${message}`).join('; ')
    super(`Validation failed for bucket "${bucket}": ${summary}`)
    this.issues = issues
  }
}

/** Refuses a write whose validator cannot be understood, does not settle in time, or runs in a loop. */
export class ValidatorError extends StoreError {
  override readonly name = 'ValidatorError'
  readonly code = 'VALIDATOR'

  /** `subject` is the validator, `problem` a predicate: `must return undefined or a text, got number`. */
  constructor (readonly bucket: string, subject: string, problem: string) {
    super(`The ${subject} of bucket "${bucket}" ${problem}`)
  }
}

/** Refuses a bucket definition, naming what is wrong with it. */
export class DefinitionError extends StoreError {
  override readonly name = 'DefinitionError'
  readonly code = 'DEFINITION'
}

/** Refuses a filter that cannot be evaluated or cannot match anything. */
export class FilterError extends StoreError {
  override readonly name = 'FilterError'
  readonly code = 'FILTER'
}

/** A bucket has the name already. */
export class BucketAlreadyExistsError extends StoreError {
  override readonly name = 'BucketAlreadyExistsError'
  readonly code = 'BUCKET_EXISTS'

  constructor (readonly bucket: string) {
    super(`Bucket "${bucket}" already exists`)
  }
}

/** There is no bucket of the name. */
export class BucketNotDefinedError extends StoreError {
  override readonly name = 'BucketNotDefinedError'
  readonly code = 'BUCKET_NOT_DEFINED'

  constructor (readonly bucket: string) {
    super(`Bucket "${bucket}" is not defined`)
  }
}

/** Two records of a bucket would share a unique value. */
export class UniqueConstraintError extends StoreError {
  override readonly name = 'UniqueConstraintError'
  readonly code = 'UNIQUE'

  constructor (readonly bucket: string, readonly field: string, readonly value: unknown) {
    super(`Unique constraint violation in bucket "${bucket}": ` +
      `field "${field}" already has value "${String(value)}"`)
  }
}

/** Refuses a write because a record that it depends on is not the one that was read. */
export class TransactionConflictError extends StoreError {
  override readonly name = 'TransactionConflictError'
  readonly code: 'CONFLICT' | 'VERSION_MISMATCH' = 'CONFLICT'

  constructor (
    readonly bucket: string, readonly key: unknown, message: string, readonly field?: string | undefined
  ) {
    super(`Transaction conflict in bucket "${bucket}" for key "${String(key)}": ${message}`)
  }
}

/** Refuses a write because the record does not have the version that the writer expects. */
export class VersionMismatchError extends TransactionConflictError {
  override readonly code = 'VERSION_MISMATCH'

  /** `version` is `undefined` where there is no record. */
  constructor (
    bucket: string, key: unknown, readonly expectedVersion: number, readonly version: number | undefined
  ) {
    const found = version === undefined ? 'the record does not exist' : `got ${version}`
    super(bucket, key, `Version mismatch: expected ${expectedVersion}, ${found}`)
  }
}

/**
 * Refuses a record that refers to one which does not exist (`REFERENCE_MISSING`), or to delete one to which
 * others refer (`REFERENCE_HELD`).
 */
export class ReferentialIntegrityError extends StoreError {
  override readonly name = 'ReferentialIntegrityError'

  constructor (
    message: string,
    readonly code: 'REFERENCE_MISSING' | 'REFERENCE_HELD',
    readonly sourceBucket: string,
    readonly sourceField: string,
    readonly targetBucket: string,
    readonly targetKey: unknown
  ) {
    super(message)
  }
}

/** Refuses a change of a record that does not exist. Its name is `Error`, as programs expect it. */
export class RecordNotFoundError extends StoreError {
  readonly code = 'RECORD_NOT_FOUND'

  constructor (readonly bucket: string, readonly key: unknown) {
    super(`Record with key "${String(key)}" not found in bucket "${bucket}"`)
  }
}

/** Refuses an insert whose key is taken. Its name is `Error`, as programs expect it. */
export class RecordExistsError extends StoreError {
  readonly code = 'RECORD_EXISTS'

  /** `field` is the key field of the bucket. */
  constructor (readonly bucket: string, readonly key: unknown, readonly field: string) {
    super(`Record with key "${String(key)}" already exists in bucket "${bucket}"`)
  }
}

/** Refuses a batch that has a key twice. Its name is `Error`, as programs expect it. */
export class DuplicateKeyError extends StoreError {
  readonly code = 'DUPLICATE_KEY'

  /** `field` is the key field of the bucket. */
  constructor (readonly bucket: string, readonly key: unknown, readonly field: string) {
    super(`Duplicate key "${String(key)}" in batch for bucket "${bucket}"`)
  }
}

/** Refuses a write that reaches, or would leave, a record outside the scope of the handle that makes it. */
export class OutOfScopeError extends StoreError {
  override readonly name = 'OutOfScopeError'
  readonly code = 'OUT_OF_SCOPE'

  /** `key` is `undefined` for a write of a whole bucket. */
  constructor (readonly bucket: string, readonly key: unknown) {
    super(key === undefined
      ? `Bucket "${bucket}" cannot be cleared by a writer who is confined to a part of it`
      : `The record with key "${String(key)}" of bucket "${bucket}" is outside the scope of this write`)
  }
}

/** Refuses a write that would take a bucket above its `maxRecords` or `maxBytes`. */
export class QuotaExceededError extends StoreError {
  override readonly name = 'QuotaExceededError'
  readonly code = 'QUOTA_EXCEEDED'

  constructor (readonly bucket: string, readonly quota: 'maxRecords' | 'maxBytes', readonly limit: number) {
    super(`Bucket "${bucket}" is full: ${quota} is ${limit}`)
  }
}

/** Refuses a write that brings more bytes than the store allows for a record or an operation. */
export class InputTooLargeError extends StoreError {
  override readonly name = 'InputTooLargeError'
  readonly code = 'INPUT_TOO_LARGE'

  constructor (readonly bucket: string, readonly subject: 'record' | 'operation', readonly limit: number) {
    const option = subject === 'record' ? 'maxRecordBytes' : 'maxOperationBytes'
    super(`The ${subject} writes more than ${limit} bytes to bucket "${bucket}": see ${option}`)
  }
}

/** Refuses a commit of too many changes. */
export class CommitTooLargeError extends StoreError {
  override readonly name = 'CommitTooLargeError'
  readonly code = 'COMMIT_TOO_LARGE'

  constructor (readonly changes: number, readonly limit: number) {
    super(`The write makes ${changes} changes or more in one commit; at most ${limit} are allowed`)
  }
}

/** Refuses a read that would look at too many records times conditions. */
export class WorkBudgetError extends StoreError {
  override readonly name = 'WorkBudgetError'
  readonly code = 'WORK_BUDGET'

  constructor (readonly bucket: string, readonly work: number, readonly budget: number) {
    super(`Reading bucket "${bucket}" would take ${work} units of work (records times conditions); ` +
      `the budget is ${budget}. An index on a field of the filter makes it cheaper`)
  }
}

/** Reports a sum that no number can hold. */
export class AggregateOverflowError extends StoreError {
  override readonly name = 'AggregateOverflowError'
  readonly code = 'AGGREGATE_OVERFLOW'

  constructor (readonly field: string) {
    super(`The sum of "${field}" overflows: it is greater than any number`)
  }
}

/** Refuses every call to a store that has stopped. */
export class StoreStoppedError extends StoreError {
  override readonly name = 'StoreStoppedError'
  readonly code = 'STORE_STOPPED'

  constructor (readonly store: string) {
    super(`Store "${store}" has stopped`)
  }
}

/** Refuses a commit of elsewhere that does not continue this store. */
export class CommitMismatchError extends StoreError {
  override readonly name = 'CommitMismatchError'
  readonly code = 'COMMIT_MISMATCH'
}

/** Refuses writes while the log of commits does not take any. */
export class StoreUnavailableError extends StoreError {
  override readonly name = 'StoreUnavailableError'
  readonly code = 'STORE_UNAVAILABLE'
  /**
   * Whether the write may come back: a log that several processes share has not said whether it has the
   * commit. Otherwise nothing of it was done.
   */
  readonly isOutcomeUnknown: boolean

  constructor (message: string, options?: ErrorOptions, isOutcomeUnknown = false) {
    super(message, options)
    this.isOutcomeUnknown = isOutcomeUnknown
  }
}

/**
 * Refuses writes to a bucket that came from a log, where its definition had functions which this process has
 * not handed in by `defineBucket`, or that was imported and never defined; reads go on.
 */
export class DefinitionMissingError extends StoreError {
  override readonly name = 'DefinitionMissingError'
  readonly code = 'DEFINITION_MISSING'
  readonly details: { readonly reason: 'definition_missing', readonly functions: readonly string[] }

  constructor (readonly bucket: string, functions: readonly string[]) {
    super(`Bucket "${bucket}" takes no writes: ${functions.includes(WHOLE_DEFINITION)
      ? 'it was imported without a definition. Define it'
      : 'its definition had functions that were not handed in ' +
        `(${functions.slice(0, 5).join(', ')}). Define it with them`}`)
    this.details = { reason: 'definition_missing', functions }
  }
}

/** Refuses to define a bucket that came from a log in another way than it is there. */
export class DefinitionMismatchError extends StoreError {
  override readonly name = 'DefinitionMismatchError'
  readonly code = 'DEFINITION_MISMATCH'

  /** `difference` names the first members that differ. */
  constructor (readonly bucket: string, readonly difference: string) {
    super(`Bucket "${bucket}" is defined differently in the log: ${difference}. ` +
      'Change it by updateBucket, rebuildBucket or a migration')
  }
}

/** Refuses writes of a store that follows another one at the moment. */
export class NotLeaderError extends StoreError {
  override readonly name = 'NotLeaderError'
  readonly code = 'NOT_LEADER'
}

/** The request of a write is remembered: it has been done. */
export class RequestRepeatedError extends StoreError {
  override readonly name = 'RequestRepeatedError'
  readonly code = 'REQUEST_REPEATED'

  constructor (readonly key: string) {
    super(`The request with the key ${JSON.stringify(key)} has been done`)
  }
}

/** The operation needs `durability` or `persistence`. */
export class PersistenceRequiredError extends StoreError {
  override readonly name = 'PersistenceRequiredError'
  readonly code = 'PERSISTENCE_REQUIRED'

  constructor (operation: string) {
    super(`Cannot ${operation}: persistence is not configured`)
  }
}

/** There is no backup of the name. */
export class BackupNotFoundError extends StoreError {
  override readonly name = 'BackupNotFoundError'
  readonly code = 'BACKUP_NOT_FOUND'

  constructor (readonly backup: string) {
    super(`Backup "${backup}" not found`)
  }
}

/** A query has the name already. */
export class QueryAlreadyDefinedError extends StoreError {
  override readonly name = 'QueryAlreadyDefinedError'
  readonly code = 'QUERY_EXISTS'

  constructor (readonly query: string) {
    super(`Query "${query}" is already defined`)
  }
}

/** There is no query of the name. */
export class QueryNotDefinedError extends StoreError {
  override readonly name = 'QueryNotDefinedError'
  readonly code = 'QUERY_NOT_DEFINED'

  constructor (readonly query: string) {
    super(`Query "${query}" is not defined`)
  }
}

/** Refuses to run a query that seems to run itself. */
export class TooManyRunsError extends StoreError {
  override readonly name = 'TooManyRunsError'
  readonly code = 'TOO_MANY_RUNS'

  constructor (readonly query: string, readonly limit: number) {
    super(`query "${query}" has ${limit} runs under way: it may run itself`)
  }
}
