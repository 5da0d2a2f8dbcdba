import { STATUS_CODES } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { IncomingRequest } from '../lib/handshake/request-origin.js'

/**
 * What a request tells about who sends it. One that a test injects has no socket, and may not have its
 * headers as they came.
 */
export function incomingRequest (request: FastifyRequest): IncomingRequest {
  const { raw, headers } = request
  const { socket, rawHeaders } = raw as Partial<typeof raw>
  // With `trustProxy` Fastify reads the address from the socket.
  const ip = socket === undefined ? undefined : request.ip
  // Requests have `ips` only with `trustProxy`; to read it would ask the application's trust function again.
  const readsForwarded = 'ips' in request
  return {
    ip, readsForwarded, peer: socket?.remoteAddress, rawHeaders: rawHeaders ?? asTheyCame(headers), headers
  }
}

function asTheyCame (headers: FastifyRequest['headers']): string[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().flatMap(value => [name, value])
  )
}

/** The body of a refusal, as Fastify's own look. */
export function refusal (statusCode: number, message: string): object {
  return { statusCode, error: STATUS_CODES[statusCode], message }
}
