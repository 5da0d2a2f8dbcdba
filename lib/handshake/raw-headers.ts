import { NoexOptionsError } from '../util/option-schema.js'

/**
 * Number of headers from which on a request is refused. Node keeps 1,000 by default, and many releases drop
 * the others silently: a header that a proxy adds last would be missing.
 */
const TOO_MANY_HEADERS = 1_000

/** The name of a header (RFC 9110, section 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

/** Reduced names of standard headers, which clients send or which belong to one connection. */
const standard = new Set([
  'accept', 'accept-charset', 'accept-encoding', 'accept-language', 'authorization', 'cache-control',
  'connection', 'content-encoding', 'content-length', 'content-type', 'cookie', 'date', 'expect', 'forwarded',
  'host', 'http2-settings', 'keep-alive', 'max-forwards', 'origin', 'pragma', 'proxy-authenticate',
  'proxy-authorization', 'proxy-connection', 'range', 'referer', 'te', 'trailer', 'transfer-encoding',
  'upgrade', 'user-agent', 'via'
].map(reducedName))

/** The refusal of a request before it becomes a connection. */
export interface HeaderRefusal {
  /** The HTTP status. 400: the headers are an attack or a fault. 401: no user is named by a trusted proxy. */
  readonly refused: 400 | 401
  /** For the log: may name headers as they are configured, never a value. */
  readonly reason: string
}

/**
 * Returns the letters and digits of the name of a header, in lower case. Some programs take names for the
 * same that are equal here: CGI and WSGI turn `-` into `_`, others also `.`.
 */
export function reducedName (name: string): string {
  return name.replace(/[^0-9a-z]/gi, '').toLowerCase()
}

/**
 * Checks that `name`, the value of the option at `path`, can be the name of a header that a proxy sets.
 * @throws {NoexOptionsError}
 */
export function checkHeaderName (name: unknown, path: string): void {
  const reduced = typeof name === 'string' && TOKEN.test(name) ? reducedName(name) : ''
  if (reduced === '') throw new NoexOptionsError(path, 'must be the name of a header')
  if (standard.has(reduced) || reduced.startsWith('secwebsocket')) {
    throw new NoexOptionsError(path, 'must not be a header that HTTP or the WebSocket handshake uses')
  }
}

/** Refuses a request that may have lost headers in Node; returns `undefined` for others. */
export function refuseTooMany (rawHeaders: readonly string[]): HeaderRefusal | undefined {
  if (rawHeaders.length < 2 * TOO_MANY_HEADERS) return undefined
  return { refused: 400, reason: `the request has ${TOO_MANY_HEADERS} headers or more` }
}

/**
 * Builds the function that reads the headers `names` from the raw headers of a request (alternating names and
 * values). It returns the values by name, without missing ones, and refuses a request in which one of the
 * headers is repeated, has another spelling (`X_User` for `X-User`), or may have been lost.
 */
export function headerReader (
  names: readonly string[]
): (rawHeaders: readonly string[]) => ReadonlyMap<string, string> | HeaderRefusal {
  const wanted = new Map(names.map(name => [reducedName(name), name]))
  return rawHeaders => {
    const tooMany = refuseTooMany(rawHeaders)
    if (tooMany !== undefined) return tooMany
    const found = new Map<string, string>()
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const [sent = '', value = ''] = rawHeaders.slice(i, i + 2)
      const name = wanted.get(reducedName(sent))
      if (name === undefined) continue
      if (sent.toLowerCase() !== name.toLowerCase()) {
        return { refused: 400, reason: `header "${name}" is there in another spelling` }
      }
      if (found.has(name)) return { refused: 400, reason: `header "${name}" is there more than once` }
      found.set(name, value)
    }
    return found
  }
}
