import { isStoreError, type StoreErrorCode } from '@hamicek/noex-store'
import { bucketNotDefined, NoexServerError, NothingNamedError, queryNotDefined } from '../protocol/errors.js'
import { sumOverflow } from '../protocol/refusals.js'

/** A problem of a record; `field` is a path within it. */
interface RecordIssue {
  readonly field: string
  readonly message: string
  readonly code: string
}

/** Number of issues in a message, and length limit of each; the details have all. */
const MAX_TOLD_ISSUES = 10
const MAX_TOLD_CHARS = 200

/**
 * Builds the refusal of records that do not fit their bucket. The message names the fields and the demands of
 * the schema, never a value of a record: the message of a check by the application is in the details only.
 */
function recordInvalid (bucket: string, issues: readonly RecordIssue[]): NoexServerError {
  const told = issues.slice(0, MAX_TOLD_ISSUES).map(({ field, message, code }) => {
    const text = code === 'custom' ? 'Value is refused by a check of its own' : message
    return `${field}: ${text.length > MAX_TOLD_CHARS ? `${text.slice(0, MAX_TOLD_CHARS)}…` : text}`
  })
  if (issues.length > MAX_TOLD_ISSUES) told.push(`and ${issues.length - MAX_TOLD_ISSUES} more`)
  return new NoexServerError(
    'VALIDATION_ERROR',
    `Validation failed for bucket "${bucket}": ${told.join('; ')}`,
    issues
  )
}

type Members = Readonly<Record<string, unknown>>

/** The reason in the details of a write to a bucket whose functions the application has not given. */
const DEFINITION_MISSING = 'definition_missing'

/** Returns the bucket whose definition is not complete, of the refusal of a write; else `undefined`. */
export function incompleteBucket ({ details }: NoexServerError): string | undefined {
  const { reason, bucket } = (details ?? {}) as { readonly reason?: unknown, readonly bucket?: unknown }
  return reason === DEFINITION_MISSING ? String(bucket) : undefined
}

/**
 * Stands for a fault of the server or the application, which is answered with `INTERNAL_ERROR` and logged.
 */
function isFault (): undefined {
  return undefined
}

/**
 * Builds the replies to errors of the store by their codes; `undefined` for those that are only logged. The
 * messages are our own: those of the store contain values that `exposeErrorDetails: false` must hide.
 */
const storeErrors: Readonly<Record<StoreErrorCode, (error: Members) => NoexServerError | undefined>> = {
  BUCKET_EXISTS: e => new NoexServerError('ALREADY_EXISTS', `Bucket "${String(e['bucket'])}" already exists`),
  BUCKET_NOT_DEFINED: e => bucketNotDefined(String(e['bucket'])),
  QUERY_EXISTS: e => new NoexServerError('ALREADY_EXISTS', `Query "${String(e['query'])}" already exists`),
  QUERY_NOT_DEFINED: e => queryNotDefined(String(e['query'])),
  DEFINITION: e => new NoexServerError('VALIDATION_ERROR', String(e['message'])),
  FILTER: e => new NoexServerError('VALIDATION_ERROR', String(e['message'])),
  VALIDATION: e => recordInvalid(String(e['bucket']), e['issues'] as RecordIssue[]),
  RECORD_NOT_FOUND: e => new NoexServerError('NOT_FOUND',
    `The record does not exist in bucket "${String(e['bucket'])}"`),
  RECORD_EXISTS: keyTaken,
  DUPLICATE_KEY: keyTaken,
  UNIQUE: e => new NoexServerError('ALREADY_EXISTS',
    `Bucket "${String(e['bucket'])}" has another record with this "${String(e['field'])}"`,
    { bucket: e['bucket'], field: e['field'], value: e['value'] }),
  CONFLICT: e => new NoexServerError('CONFLICT',
    `A record of bucket "${String(e['bucket'])}" was changed or created meanwhile`,
    { bucket: e['bucket'], key: e['key'] }),
  VERSION_MISMATCH: e => new NoexServerError('CONFLICT',
    `The record of bucket "${String(e['bucket'])}" is not at version ${String(e['expectedVersion'])}`,
    {
      bucket: e['bucket'], key: e['key'], expectedVersion: e['expectedVersion'], version: e['version'] ?? null
    }),
  REFERENCE_MISSING: e => new NoexServerError('VALIDATION_ERROR',
    `Field "${String(e['sourceField'])}" refers to a record of bucket "${String(e['targetBucket'])}" ` +
    'that does not exist', referenceIn(e)),
  REFERENCE_HELD: e => new NoexServerError('CONFLICT',
    `Records of bucket "${String(e['sourceBucket'])}" refer to this record by "${String(e['sourceField'])}"`,
    referenceIn(e)),
  OUT_OF_SCOPE: e => new NoexServerError('FORBIDDEN',
    `This would change bucket "${String(e['bucket'])}" outside of the records that you may change`),
  QUOTA_EXCEEDED: e => new NoexServerError('VALIDATION_ERROR',
    `Bucket "${String(e['bucket'])}" is full: its ${String(e['quota'])} is ${String(e['limit'])}`,
    { bucket: e['bucket'], quota: e['quota'], limit: e['limit'] }),
  INPUT_TOO_LARGE: e => new NoexServerError('VALIDATION_ERROR',
    `The ${e['subject'] === 'record' ? 'record' : 'request'} has more than ${String(e['limit'])} bytes for ` +
    `bucket "${String(e['bucket'])}": write less at once`,
    { bucket: e['bucket'], subject: e['subject'], limit: e['limit'] }),
  COMMIT_TOO_LARGE: e => new NoexServerError('VALIDATION_ERROR',
    `The request changes more records at once than maxCommitChanges, ${String(e['limit'])}: change fewer, ` +
    'by a narrower filter', { maxCommitChanges: e['limit'] }),
  WORK_BUDGET: e => new NoexServerError('VALIDATION_ERROR',
    `The request takes more work than the ${String(e['budget'])} units (records × conditions) of one read: ` +
    'ask for less, or by an indexed field', { workBudget: e['budget'] }),
  AGGREGATE_OVERFLOW: sumOverflow,
  DEFINITION_MISSING: e => new NoexServerError('INTERNAL_ERROR',
    `Bucket "${String(e['bucket'])}" takes no writes: its definition is not complete`,
    { reason: DEFINITION_MISSING, bucket: e['bucket'] }),
  REQUEST_REPEATED: () => new NoexServerError('CONFLICT',
    'A request with this idempotencyKey was done meanwhile; send it again for the answer'),
  STORE_UNAVAILABLE: e => e['isOutcomeUnknown'] === true ? outcomeUnknown() : unavailable(),
  NOT_LEADER: unavailable,
  VALIDATOR: isFault,
  DEFINITION_MISMATCH: isFault,
  COMMIT_MISMATCH: isFault,
  STORE_STOPPED: isFault,
  TOO_MANY_RUNS: isFault,
  PERSISTENCE_REQUIRED: isFault,
  BACKUP_NOT_FOUND: isFault
}

/** Builds the refusal of a new record whose primary key another record has. */
function keyTaken (error: Members): NoexServerError {
  const { bucket, field, key: value } = error
  return new NoexServerError('ALREADY_EXISTS',
    `Bucket "${String(bucket)}" has another record with this primary key, "${String(field)}"`,
    { bucket, field, value })
}

function referenceIn (error: Members): Members {
  return {
    bucket: error['sourceBucket'],
    field: error['sourceField'],
    target: error['targetBucket'],
    key: error['targetKey']
  }
}

function outcomeUnknown (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR', 'It is not known yet whether the write was made: the log of the store does not answer',
    { reason: 'store_unavailable', outcome: 'unknown' }
  )
}

function unavailable (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR', 'The store takes no writes at the moment', { reason: 'store_unavailable' }
  )
}

/**
 * Translates an error as `toReplyError` does, and puts `place`, the step that failed, before its message.
 */
export function placedError (place: string, error: unknown): NoexServerError | undefined {
  const known = toReplyError(error)
  if (known === undefined) return undefined
  if (known instanceof NothingNamedError) return new NothingNamedError(known.kind, known.asked, `${place}: `)
  return new NoexServerError(known.code, `${place}: ${known.message}`, known.details)
}

/**
 * Translates an error that an operation threw into the one to reply with, or `undefined` when the client may
 * learn no more than `INTERNAL_ERROR`.
 */
export function toReplyError (error: unknown): NoexServerError | undefined {
  try {
    return translated(error)
  } catch {
    // The error has getters that throw.
    return undefined
  }
}

function translated (error: unknown): NoexServerError | undefined {
  if (error instanceof NoexServerError) return error
  if (!isStoreError(error) || !Object.hasOwn(storeErrors, error.code)) return undefined
  return storeErrors[error.code](error as unknown as Members)
}
