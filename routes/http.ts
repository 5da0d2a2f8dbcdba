import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'
import type { NoexErrorCode } from '../lib/protocol/errors.js'

/** Time limit of a request to our routes, including hooks of the application, in milliseconds. */
const REQUEST_TIMEOUT_MS = 15_000

/**
 * Returns the part of a request that shows its origin. A request of `inject` has no socket or raw headers.
 */
export function incomingRequest (request: FastifyRequest): IncomingRequest {
  const { raw, headers } = request
  const { socket, rawHeaders } = raw as Partial<typeof raw>
  // With `trustProxy`, Fastify needs the socket to find the address.
  const ip = socket === undefined ? undefined : request.ip
  // Requests have `ips` only with `trustProxy`; reading it would call the application's trust function again.
  const readsForwarded = 'ips' in request
  return {
    ip, readsForwarded, peer: socket?.remoteAddress, rawHeaders: rawHeaders ?? toRawHeaders(headers), headers
  }
}

function toRawHeaders (headers: FastifyRequest['headers']): string[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().flatMap(value => [name, value])
  )
}

/** Returns the body of a refusal, in the form of Fastify's own. */
export function refusal (statusCode: number, message: string): object {
  return { statusCode, error: STATUS_CODES[statusCode], message }
}

/**
 * Sets headers of one connection of HTTP/1.1. HTTP/2 does not allow them (RFC 9113, section 8.2.2): Node
 * would throw when the reply is written, where no error handler of the application can catch it.
 */
export function setConnectionHeaders (reply: FastifyReply, headers: Readonly<Record<string, string>>): void {
  if (!(reply.request.raw.httpVersionMajor >= 2)) reply.headers(headers)
}

/** Returns the time limit of a request to our routes: `handlerTimeout` of the application, or 15,000 ms. */
export function requestTimeoutMs (scope: FastifyInstance): number {
  const { handlerTimeout } = scope.initialConfig as { readonly handlerTimeout?: number }
  return handlerTimeout === undefined || handlerTimeout === 0 ? REQUEST_TIMEOUT_MS : handlerTimeout
}

const statuses: Readonly<Record<NoexErrorCode, number>> = {
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

/** Returns the HTTP status of an error of the protocol. */
export function statusOf (code: NoexErrorCode): number {
  return statuses[code]
}
