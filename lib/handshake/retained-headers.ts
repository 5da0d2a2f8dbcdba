import type { RequestHeaders } from '../protocol/session.js'

const noHeaders: RequestHeaders = {}

/**
 * What of the headers of a request whoever checks a login may see, and so what is kept as long as a
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

/** Headers without what a browser adds by itself, whichever page opens the WebSocket. */
function withoutAmbient ({
  cookie: _cookie,
  authorization: _authorization,
  ...headers
}: RequestHeaders): RequestHeaders {
  return headers
}
