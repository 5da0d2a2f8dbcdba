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
  /** The subscription, record or definition to change does not exist. */
  NOT_FOUND: 'NOT_FOUND',
  /** The name, the primary key or a unique value is taken. */
  ALREADY_EXISTS: 'ALREADY_EXISTS',
  /** Another writer changed the record, or other records refer to it. Read again, then retry. */
  CONFLICT: 'CONFLICT',
  /** Not logged in. Log in, then retry. */
  UNAUTHORIZED: 'UNAUTHORIZED',
  /** Logged in, but not allowed. */
  FORBIDDEN: 'FORBIDDEN',
  /** A limit is reached. Retry after `details.retryAfterMs` where given. */
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
  /** The user cannot log in until its revocation ends. */
  SESSION_REVOKED: 'SESSION_REVOKED'
} as const

/** One of the sixteen codes that an `error` reply can carry. */
export type NoexErrorCode = typeof ErrorCode[keyof typeof ErrorCode]

/** The HTTP status of each code. PROTOCOL.md, "Requests over HTTP". */
export const httpStatuses: Readonly<Record<NoexErrorCode, number>> = {
  PARSE_ERROR: 400,
  INVALID_REQUEST: 400,
  UNKNOWN_OPERATION: 404,
  VALIDATION_ERROR: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  CONFLICT: 409,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  BACKPRESSURE: 503,
  INTERNAL_ERROR: 500,
  BUCKET_NOT_DEFINED: 404,
  QUERY_NOT_DEFINED: 404,
  RULES_NOT_AVAILABLE: 503,
  SESSION_REVOKED: 403
}

/** The members of details that say when, or whether, to come back. */
interface RetryDetails {
  readonly reason?: unknown
  readonly applied?: unknown
  readonly retryAfterMs?: unknown
}

/**
 * An error that is meant for the client: its code, message and details are sent as they are.
 * Every other error that an operation throws is logged, and answered with a generic `INTERNAL_ERROR`.
 * @example
 * throw new NoexServerError('RATE_LIMITED', 'Try again later', { retryAfterMs: 5_000 })
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

  /**
   * The HTTP status of the code; 503 where `details.reason` says what is not available at the moment. Fastify
   * answers with it where a route lets the error through.
   */
  get statusCode (): number {
    const { reason, applied } = this.#retry
    const isPassing = this.code === 'INTERNAL_ERROR' && typeof reason === 'string' && applied !== true
    return isPassing ? 503 : httpStatuses[this.code]
  }

  /** The headers that Fastify adds then: `retry-after` in seconds, or `www-authenticate`. */
  get headers (): Readonly<Record<string, string>> | undefined {
    if (this.code === 'UNAUTHORIZED') return { 'www-authenticate': 'Bearer' }
    const { retryAfterMs } = this.#retry
    if (typeof retryAfterMs !== 'number') return undefined
    return { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }
  }

  get #retry (): RetryDetails {
    return typeof this.details === 'object' && this.details !== null ? this.details : {}
  }
}

/** Builds the refusal of a request field; `path` is the path of the field in the request. */
export function invalid (path: string, problem: string): NoexServerError {
  return new NoexServerError('VALIDATION_ERROR', `${path}: ${problem}`)
}

/** The kinds of things that a request refers to by name. */
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

/** The reply to a request that names something that does not exist. */
export class NothingNamedError extends NoexServerError {
  readonly kind: Named
  /** The name in the request. */
  readonly asked: string
  /** The beginning of the message, which names the step of a transaction or procedure; empty otherwise. */
  readonly place: string

  constructor (kind: Named, asked: string, place = '') {
    const [code, say] = absences[kind]
    super(code, place + say(quoted(asked)))
    this.kind = kind
    this.asked = asked
    this.place = place
  }
}

/** Builds the reply to a request for a bucket that does not exist. */
export function bucketNotDefined (bucket: string): NoexServerError {
  return new NothingNamedError('bucket', bucket)
}

/** Builds the reply to a request for a query that does not exist. */
export function queryNotDefined (query: string): NoexServerError {
  return new NothingNamedError('query', query)
}
