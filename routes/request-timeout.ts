import type { FastifyInstance } from 'fastify'

/** Time that hooks of the application and a route of ours have together for a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 15_000

/** Returns the time that a request to our routes may take: the application's `handlerTimeout`, or 15 s. */
export function requestTimeoutMs (scope: FastifyInstance): number {
  const { handlerTimeout } = scope.initialConfig as { readonly handlerTimeout?: number }
  return handlerTimeout === undefined || handlerTimeout === 0 ? REQUEST_TIMEOUT_MS : handlerTimeout
}
