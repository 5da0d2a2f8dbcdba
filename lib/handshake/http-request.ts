import type { RequestHeaders } from '../protocol/session.js'
import type { Log } from '../util/log.js'
import type { IncomingRequest } from './request-origin.js'

/** The part of a Fastify request that is used. */
export interface HttpRequest {
  readonly ip: string
  readonly headers: RequestHeaders
  readonly raw: {
    readonly socket: { readonly remoteAddress?: string | undefined }
    readonly rawHeaders: readonly string[]
  }
  readonly log: Log
}

/**
 * Returns the part of a request that shows its origin. A request of `inject` has no socket or raw headers.
 */
export function incomingRequest (request: HttpRequest): IncomingRequest {
  const { raw, headers } = request
  const { socket, rawHeaders } = raw as Partial<HttpRequest['raw']>
  // With `trustProxy`, Fastify needs the socket to find the address.
  const ip = socket === undefined ? undefined : request.ip
  // Requests have `ips` only with `trustProxy`; reading it would call the application's trust function again.
  const readsForwarded = 'ips' in request
  return {
    ip, readsForwarded, peer: socket?.remoteAddress, rawHeaders: rawHeaders ?? toRawHeaders(headers), headers
  }
}

function toRawHeaders (headers: RequestHeaders): string[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().flatMap(value => [name, value])
  )
}
