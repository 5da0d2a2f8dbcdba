import type { RequestHeaders } from '../protocol/session.js'
import type { HandshakeAuth } from './request-origin.js'

const noHeaders: RequestHeaders = {}

/**
 * Returns the headers of an upgrade that an authenticator may read at a login. They are kept as long as the
 * connection.
 */
export function retainedHeaders (
  headers: RequestHeaders,
  { auth, allowedOrigins }: {
    readonly auth: Pick<HandshakeAuth, 'mode'> | undefined
    readonly allowedOrigins: readonly string[] | undefined
  }
): RequestHeaders {
  switch (auth?.mode) {
    case 'external': return allowedOrigins === undefined ? withoutAmbient(headers) : { ...headers }
    case 'builtIn': return { 'user-agent': headers['user-agent'] }
    default: return noHeaders
  }
}

/** Removes the headers that a browser adds by itself, whichever page opens the WebSocket. */
function withoutAmbient (
  { cookie: _cookie, authorization: _authorization, ...headers }: RequestHeaders
): RequestHeaders {
  return headers
}
