import { isStoreError, type StoreErrorCode } from '@hamicek/noex-store'
import { quoted } from '../util/nearest.js'

/**
 * The reply errors: each answers one request and leaves the socket open.
 * The codes that end a connection are in close-codes.ts. PROTOCOL.md, "Error codes".
 */
export const ErrorCode = {
  /** The frame is no JSON object. Sent with id 0. Do not repeat. */
  PARSE_ERROR: 'PARSE_ERROR',
  /** The object is neither a request nor a pong. Sent with id 0. Do not repeat. */
  INVALID_REQUEST: 'INVALID_REQUEST',
  /** No such operation, or its feature is not configured. */
  UNKNOWN_OPERATION: 'UNKNOWN_OPERATION',
  /** A field, a record or a definition is wrong. Do not repeat unchanged. */
  VALIDATION_ERROR: 'VALIDATION_ERROR',
  /** The subscription, record or definition that is to be changed does not exist. */
  NOT_FOUND: 'NOT_FOUND',
  /** The name, the primary key or a unique value is taken. */
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  /** Another writer changed the record, or other records refer to it. Read again, then retry. */
  CONFLICT: 'CONFLICT',
  /** Not logged in. Log in, then retry. */
  UNAUTHORIZED: 'UNAUTHORIZED',
  /** Logged in, but not allowed. */
  FORBIDDEN: 'FORBIDDEN',
  /** A limit is reached. Retry later, after `details.retryAfterMs` where given. */
  RATE_LIMITED: 'RATE_LIMITED',
  /** Reserved by the protocol. This server pauses the socket instead and never sends it. */
  BACKPRESSURE: 'BACKPRESSURE',
  /** The server failed; its log says why. */
  INTERNAL_ERROR: 'INTERNAL_ERROR',
  /** The bucket is not defined. */
  BUCKET_NOT_DEFINED: 'BUCKET_NOT_DEFINED',
  /** The query is not defined. */
  QUERY_NOT_DEFINED: 'QUERY_NOT_DEFINED',
  /** No rule engine is configured, or it is stopped. */
  RULES_NOT_AVAILABLE: 'RULES_NOT_AVAILABLE',
  /** The user is barred from logging in for a while. */
  SESSION_REVOKED: 'SESSION_REVOKED'
} as const

/** One of the sixteen codes that an `error` reply can carry. */
export type NoexErrorCode = typeof ErrorCode[keyof typeof ErrorCode]

/**
 * An error that is meant for the client: its code, message and details are sent as they are.
 * Every other error that an operation throws is answered with a generic `INTERNAL_ERROR` and logged.
 */
export class NoexServerError extends Error {
  override readonly name = 'NoexServerError'
  readonly code: NoexErrorCode
  /** Left out of the reply when `exposeErrorDetails` is `false`, except for `RATE_LIMITED`. */
  readonly details: unknown

  constructor (code: NoexErrorCode, message: string, details?: unknown) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** Builds the refusal of a request field; `path` names the field as the client wrote it. */
export function invalid (path: string, problem: string): NoexServerError {
  return new NoexServerError('VALIDATION_ERROR', `${path}: ${problem}`)
}

/** The kinds of things that can be asked for by a name. */
export type Named = 'operation' | 'bucket' | 'query' | 'procedure' | 'rule' | 'role' | 'user'

const absences: Readonly<Record<Named, readonly [code: NoexErrorCode, say: (name: string) => string]>> = {
  operation: ['UNKNOWN_OPERATION', name => `Operation ${name} is unknown`],
  bucket: ['BUCKET_NOT_DEFINED', name => `Bucket ${name} is not defined`],
  query: ['QUERY_NOT_DEFINED', name => `Query ${name} is not defined`],
  procedure: ['NOT_FOUND', name => `Procedure ${name} does not exist`],
  rule: ['NOT_FOUND', name => `Rule ${name} does not exist`],
  role: ['NOT_FOUND', name => `Role ${name} does not exist`],
  user: ['NOT_FOUND', name => `User ${name} does not exist`]
}

/** The answer to a name that nothing has. */
export class NothingNamedError extends NoexServerError {
  readonly kind: Named
  /** The name that the client has asked for. */
  readonly asked: string
  /** The step that has asked, as the beginning of the message. */
  readonly place: string

  constructor (kind: Named, asked: string, place = '') {
    const [code, say] = absences[kind]
    super(code, place + say(quoted(asked)))
    this.kind = kind
    this.asked = asked
    this.place = place
  }
}

/** Builds the refusal of a sum that is beyond what a number holds. */
export function sumOverflow (): NoexServerError {
  return new NoexServerError('VALIDATION_ERROR', 'The sum overflows: it is beyond ±1.8e308')
}

/** Builds the answer to a bucket that does not exist. */
export function bucketNotDefined (bucket: string): NoexServerError {
  return new NothingNamedError('bucket', bucket)
}

/** Builds the answer to a query that does not exist. */
export function queryNotDefined (query: string): NoexServerError {
  return new NothingNamedError('query', query)
}

/** Something that is wrong with a record; `field` is a path within it. */
interface RecordIssue {
  readonly field: string
  readonly message: string
  readonly code: string
}

/** Issues that a message tells, and characters of each; the details have all of them. */
const MAX_TOLD_ISSUES = 10
const MAX_TOLD_CHARS = 200

/**
 * Builds the refusal of records that do not fit their bucket. The message tells the fields and what the
 * schema asks of them, never a value of a record: what a check of the application says is in the details
 * only.
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

/** Why a bucket takes no writes whose functions the application has not handed in. */
const DEFINITION_MISSING = 'definition_missing'

/** The bucket that takes no writes since its definition is not complete; `undefined` for other errors. */
export function incompleteBucket ({ details }: NoexServerError): string | undefined {
  const { reason, bucket } = (details ?? {}) as { readonly reason?: unknown, readonly bucket?: unknown }
  return reason === DEFINITION_MISSING ? String(bucket) : undefined
}

/** Answers a fault of the server or the application: `INTERNAL_ERROR`, and the log has the reason. */
function isFault (): undefined {
  return undefined
}

/**
 * Answers the errors of the store by their codes; `undefined` for those that only the log tells. Messages are
 * our own: the store's carry values that `exposeErrorDetails: false` must hide.
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
  STORE_UNAVAILABLE: unavailable,
  NOT_LEADER: unavailable,
  VALIDATOR: isFault,
  DEFINITION_MISMATCH: isFault,
  COMMIT_MISMATCH: isFault,
  STORE_STOPPED: isFault,
  TOO_MANY_RUNS: isFault,
  PERSISTENCE_REQUIRED: isFault,
  BACKUP_NOT_FOUND: isFault
}

/** The refusal of a new record whose primary key another one has. */
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

function unavailable (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR', 'The store takes no writes at the moment', { reason: 'store_unavailable' }
  )
}

/**
 * Returns the error to reply with, with the place where it was thrown before its message; its code and
 * details stay. `undefined` when the client may learn no more than `INTERNAL_ERROR`.
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
    // It cannot be read.
    return undefined
  }
}

function translated (error: unknown): NoexServerError | undefined {
  if (error instanceof NoexServerError) return error
  if (!isStoreError(error) || !Object.hasOwn(storeErrors, error.code)) return undefined
  return storeErrors[error.code](error as unknown as Members)
}
