import type { RequestHeaders } from '../protocol/session.js'

const noHeaders: RequestHeaders = {}

/**
 * Returns the headers of an upgrade that an authenticator may read at a login. They are kept as long as the
 * connection.
 */
export function retainedHeaders (
  headers: RequestHeaders,
  mode: 'external' | 'gateway' | 'builtIn' | undefined,
  allowedOrigins: readonly string[] | undefined
): RequestHeaders {
  switch (mode) {
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
