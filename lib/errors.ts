import { quoted } from './nearest.js'

/**
 * The reply errors: each answers one request and leaves the socket open.
 * (What ends a connection is in close-codes.ts.) PROTOCOL.md, "Error codes".
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
  /** Somebody else changed the record, or other records refer to it. Read again, then retry. */
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
export function recordInvalid (bucket: string, issues: readonly RecordIssue[]): NoexServerError {
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

type LibraryError = Error & Readonly<Record<string, unknown>>

/**
 * How the errors of noex-store are answered. They are matched by name, not by class, so that a store
 * from another copy of the package is served alike. Messages are our own: the store's carry values
 * that `exposeErrorDetails: false` must hide.
 */
const libraryErrors = new Map<string, (error: LibraryError) => NoexServerError | undefined>([
  ['BucketAlreadyExistsError', e => new NoexServerError('ALREADY_EXISTS', `Bucket "${String(e['bucket'])}" already exists`)],
  ['BucketNotDefinedError', e => bucketNotDefined(String(e['bucket']))],
  // Validators of the application use this name too; only the store's has issues.
  [
    'ValidationError',
    e => Array.isArray(e['issues']) ? recordInvalid(bucketIn(e), e['issues'] as RecordIssue[]) : undefined
  ],
  ['UniqueConstraintError', e => new NoexServerError('ALREADY_EXISTS',
    `Bucket "${String(e['bucket'])}" has another record with this "${String(e['field'])}"`,
    { bucket: e['bucket'], field: e['field'], value: e['value'] })],
  ['TransactionConflictError', e => new NoexServerError('CONFLICT',
    `A record of bucket "${String(e['bucket'])}" was changed or created meanwhile`,
    { bucket: e['bucket'], key: e['key'] })],
  ['QueryAlreadyDefinedError', e => new NoexServerError('ALREADY_EXISTS', `Query "${String(e['query'])}" already exists`)],
  ['AggregateOverflowError', () =>
    new NoexServerError('VALIDATION_ERROR', 'The sum overflows: it is beyond ±1.8e308')],
  ['QueryNotDefinedError', e => queryNotDefined(String(e['query']))],
  ['ReferentialIntegrityError', referenceError]
])

/** The store raises one class for both directions; only a refused delete speaks of deleting. */
function referenceError (error: LibraryError): NoexServerError {
  const details = {
    bucket: error['sourceBucket'],
    field: error['sourceField'],
    target: error['targetBucket'],
    key: error['targetKey']
  }
  return error.message.startsWith('Cannot delete')
    ? referenceHeld(details)
    : danglingReference(details)
}

interface Reference {
  readonly bucket: unknown
  readonly field: unknown
  readonly target: unknown
  readonly key: unknown
}

/** Builds the refusal of a record that refers to a record which does not exist. */
export function danglingReference (reference: Reference): NoexServerError {
  return new NoexServerError('VALIDATION_ERROR',
    `Field "${String(reference.field)}" refers to a record of bucket "${String(reference.target)}" that does not exist`, reference)
}

/** Builds the refusal of a delete that other records forbid. */
export function referenceHeld (reference: Reference): NoexServerError {
  return new NoexServerError('CONFLICT',
    `Records of bucket "${String(reference.bucket)}" refer to this record by "${String(reference.field)}"`, reference)
}

/**
 * The store names the bucket of a record that does not fit in its message only, before the texts of all
 * issues.
 */
function bucketIn ({ message }: LibraryError): string {
  return /^Validation failed for bucket "(.*?)": /s.exec(message)?.[1] ?? ''
}

/** noex-store raises plain errors here, so their text is all there is; a test pins each of these. */
const libraryMessages: ReadonlyArray<readonly [RegExp, (bucket: string) => NoexServerError]> = [
  // The key comes first and may hold anything, so the bucket is what follows the last quote of this kind.
  [/^Record with key ".*" not found in bucket "(.*)"$/s, bucket =>
    new NoexServerError('NOT_FOUND', `The record does not exist in bucket "${bucket}"`)],
  [/^Bucket "(.*)" is not defined$/s, bucketNotDefined]
]

/**
 * Returns the error to reply with, with the place where it was thrown before its message; its code and details
 * stay. `undefined` when the client may learn no more than `INTERNAL_ERROR`.
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
  if (!(error instanceof Error)) return undefined
  const translate = libraryErrors.get(error.name)
  if (translate !== undefined) return translate(error as LibraryError)
  for (const [pattern, build] of libraryMessages) {
    const bucket = pattern.exec(error.message)?.[1]
    if (bucket !== undefined) return build(bucket)
  }
  return undefined
}
