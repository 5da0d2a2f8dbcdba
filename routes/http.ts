import { STATUS_CODES } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'

/** Time limit of a request to our routes, including hooks of the application, in milliseconds. */
const REQUEST_TIMEOUT_MS = 15_000

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

/** Says that the answer depends on a header of the request, beside those that it depends on already. */
export function addVary (reply: FastifyReply, header: string): void {
  const vary = reply.getHeader('vary')
  reply.header('vary', vary === undefined ? header : `${String(vary)}, ${header}`)
}

/** Returns the time limit of a request to our routes: `handlerTimeout` of the application, or 15,000 ms. */
export function requestTimeoutMs (scope: FastifyInstance): number {
  const { handlerTimeout } = scope.initialConfig as { readonly handlerTimeout?: number }
  return handlerTimeout === undefined || handlerTimeout === 0 ? REQUEST_TIMEOUT_MS : handlerTimeout
}
