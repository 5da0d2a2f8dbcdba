import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'
import { isPlainObject } from '../util/option-schema.js'

/** The subprotocol of PROTOCOL.md. */
const SUBPROTOCOL = 'noex.v1'

/**
 * A word that announces a secret, before anything that may be one: `bearer.…`, `access_token-…`, `x.jwt.…`.
 */
const ANNOUNCES_SECRET = /(?:^|[^a-z0-9])(?:bearer|token|jwt|secret|password)[^a-z0-9]+[a-z0-9]/i

/**
 * How the header of a JSON Web Token begins in base64url: it is an object, and blanks may follow the brace.
 */
const HEADER_BEGINS = /(?:^|[^a-z0-9])e[yw]/i

const BASE64URL = /^[\w-]+$/

/**
 * Whether an offer carries what looks like a token, because a page cannot set the header `Authorization` of
 * its WebSocket: a secret that a word announces, or a JSON Web Token, also behind a prefix. A secret of
 * another form cannot be told from a name.
 */
function carriesToken (offer: string): boolean {
  if (ANNOUNCES_SECRET.test(offer)) return true
  const parts = offer.split('.')
  // The signature, the third part, may be empty.
  return parts.some((part, i) =>
    i + 2 < parts.length && BASE64URL.test(parts[i + 1] ?? '') && endsWithHeader(part))
}

/** Whether a text ends with the header of a JSON Web Token. */
function endsWithHeader (text: string): boolean {
  const at = text.search(HEADER_BEGINS)
  if (at === -1) return false
  const header = text.slice(at).replace(/^[^a-z0-9]/i, '')
  return BASE64URL.test(header) && isJsonObject(header)
}

/** Whether a text is an object of JSON in base64url, as the header of a JSON Web Token is. */
function isJsonObject (base64url: string): boolean {
  try {
    return isPlainObject(JSON.parse(Buffer.from(base64url, 'base64url').toString()))
  } catch {
    return false
  }
}

/**
 * Returns the subprotocol that an upgrade is answered with: `noex.v1` when it is offered, otherwise the first
 * that is, since browsers and `ws` give up a connection on which none of their offers is named. An offer that
 * looks like a token is never returned, so that it does not come back in a header; `false` when all do.
 */
function chooseSubprotocol (offers: Iterable<string>): string | false {
  const speakable = [...offers].filter(offer => !carriesToken(offer))
  return speakable.includes(SUBPROTOCOL) ? SUBPROTOCOL : speakable[0] ?? false
}

/**
 * Has a WebSocket server answer the upgrades for which `isOurs` holds by `chooseSubprotocol`. All others keep
 * the answer that the server's own options give them.
 */
export function answerSubprotocols (
  server: WebSocketServer, isOurs: (request: IncomingMessage) => boolean
): void {
  const { options } = server
  const { handleProtocols } = options
  options.handleProtocols = (offers, request) => {
    if (isOurs(request)) return chooseSubprotocol(offers)
    if (typeof handleProtocols === 'function') return handleProtocols.call(options, offers, request)
    return offers.values().next().value ?? false
  }
}
