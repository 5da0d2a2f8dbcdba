/** One reason why a record does not fit its schema. */
export interface ValidationIssue {
  /** Path of the field: `name`, `address.city`, `tags[0]`, or `_record`. */
  readonly field: string
  readonly message: string
  readonly code: string
}

/** Refuses a record that does not fit the schema of its bucket. */
export class ValidationError extends Error {
  override readonly name = 'ValidationError'
  readonly issues: readonly ValidationIssue[]

  constructor (bucket: string, issues: readonly ValidationIssue[]) {
    const summary = issues.map(({ field, message }) => `${field}: ${message}`).join('; ')
    super(`Validation failed for bucket "${bucket}": ${summary}`)
    this.issues = issues
  }
}

/** Refuses a bucket definition, naming what is wrong with it. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError'
}

/** Refuses a filter that cannot be evaluated or cannot match anything. */
export class FilterError extends Error {
  override readonly name = 'FilterError'
}

/** Refuses the name of a field that neither the schema nor any record of the bucket has. */
export class UnknownFieldError extends Error {
  override readonly name = 'UnknownFieldError'

  constructor (readonly bucket: string, readonly field: string, readonly nearest: string | undefined) {
    const hint = nearest === undefined ? '' : `; the nearest is "${nearest}"`
    super(`Bucket "${bucket}" has no field "${field}"${hint}`)
  }
}

export class BucketAlreadyExistsError extends Error {
  override readonly name = 'BucketAlreadyExistsError'

  constructor (readonly bucket: string) {
    super(`Bucket "${bucket}" already exists`)
  }
}

export class BucketNotDefinedError extends Error {
  override readonly name = 'BucketNotDefinedError'

  constructor (readonly bucket: string) {
    super(`Bucket "${bucket}" is not defined`)
  }
}

export class UniqueConstraintError extends Error {
  override readonly name = 'UniqueConstraintError'

  constructor (readonly bucket: string, readonly field: string, readonly value: unknown) {
    super(`Unique constraint violation in bucket "${bucket}": ` +
      `field "${field}" already has value "${String(value)}"`)
  }
}

/** Refuses a write because a record that it depends on is not the one that was read. */
export class TransactionConflictError extends Error {
  override readonly name = 'TransactionConflictError'

  constructor (
    readonly bucket: string, readonly key: unknown, message: string, readonly field?: string | undefined
  ) {
    super(`Transaction conflict in bucket "${bucket}" for key "${String(key)}": ${message}`)
  }
}

export class ReferentialIntegrityError extends Error {
  override readonly name = 'ReferentialIntegrityError'

  constructor (
    message: string,
    readonly sourceBucket: string,
    readonly sourceField: string,
    readonly targetBucket: string,
    readonly targetKey: unknown
  ) {
    super(message)
  }
}

/** Refuses a change of a record that does not exist. Its name is `Error`, as programs expect it. */
export class RecordNotFoundError extends Error {
  readonly code = 'RECORD_NOT_FOUND'

  constructor (readonly bucket: string, readonly key: unknown) {
    super(`Record with key "${String(key)}" not found in bucket "${bucket}"`)
  }
}

/** Refuses an insert whose key is taken. Its name is `Error`, as programs expect it. */
export class RecordExistsError extends Error {
  readonly code = 'RECORD_EXISTS'

  constructor (readonly bucket: string, readonly key: unknown) {
    super(`Record with key "${String(key)}" already exists in bucket "${bucket}"`)
  }
}

/** Refuses a batch that has a key twice. Its name is `Error`, as programs expect it. */
export class DuplicateKeyError extends Error {
  readonly code = 'DUPLICATE_KEY'

  constructor (readonly bucket: string, readonly key: unknown) {
    super(`Duplicate key "${String(key)}" in batch for bucket "${bucket}"`)
  }
}

/** Refuses a write that would take a bucket above its `maxRecords` or `maxBytes`. */
export class QuotaExceededError extends Error {
  override readonly name = 'QuotaExceededError'

  constructor (readonly bucket: string, readonly quota: 'maxRecords' | 'maxBytes', readonly limit: number) {
    super(`Bucket "${bucket}" is full: ${quota} is ${limit}`)
  }
}

/** Refuses a commit of too many changes. */
export class CommitTooLargeError extends Error {
  override readonly name = 'CommitTooLargeError'

  constructor (readonly changes: number, readonly limit: number) {
    super(`The write makes ${changes} changes or more in one commit; at most ${limit} are allowed`)
  }
}

/** Refuses a read that would look at too many records times conditions. */
export class WorkBudgetError extends Error {
  override readonly name = 'WorkBudgetError'

  constructor (readonly bucket: string, readonly work: number, readonly budget: number) {
    super(`Reading bucket "${bucket}" would take ${work} units of work (records times conditions); ` +
      `the budget is ${budget}. An index on a field of the filter makes it cheaper`)
  }
}

/** Reports a sum that no number can hold. */
export class AggregateOverflowError extends Error {
  override readonly name = 'AggregateOverflowError'

  constructor (readonly field: string) {
    super(`The sum of "${field}" overflows: it is greater than any number`)
  }
}

/** Refuses every call to a store that has stopped. */
export class StoreStoppedError extends Error {
  override readonly name = 'StoreStoppedError'

  constructor (readonly store: string) {
    super(`Store "${store}" has stopped`)
  }
}

/** Refuses a commit of elsewhere that does not continue this store. */
export class CommitMismatchError extends Error {
  override readonly name = 'CommitMismatchError'
}

/** Refuses writes while the log of commits does not take any. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'
  readonly code = 'store_unavailable'
}

/** Refuses writes of a store that follows another one at the moment. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError'
}

export class PersistenceRequiredError extends Error {
  override readonly name = 'PersistenceRequiredError'

  constructor (operation: string) {
    super(`Cannot ${operation}: persistence is not configured`)
  }
}

export class BackupNotFoundError extends Error {
  override readonly name = 'BackupNotFoundError'

  constructor (readonly backup: string) {
    super(`Backup "${backup}" not found`)
  }
}

export class QueryAlreadyDefinedError extends Error {
  override readonly name = 'QueryAlreadyDefinedError'

  constructor (readonly query: string) {
    super(`Query "${query}" is already defined`)
  }
}

export class QueryNotDefinedError extends Error {
  override readonly name = 'QueryNotDefinedError'

  constructor (readonly query: string) {
    super(`Query "${query}" is not defined`)
  }
}

/** Refuses to run a query that seems to run itself. */
export class TooManyRunsError extends Error {
  override readonly name = 'TooManyRunsError'

  constructor (readonly query: string, readonly limit: number) {
    super(`query "${query}" has ${limit} runs under way: it may run itself`)
  }
}
