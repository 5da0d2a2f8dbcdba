import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'
import { isPlainObject } from '../util/option-schema.js'

/** The subprotocol of PROTOCOL.md. */
const SUBPROTOCOL = 'noex.v1'

/** A word before a value that may be a secret: `bearer.…`, `access_token-…`, `x.jwt.…`. */
const SECRET_WORD = /(?:^|[^a-z0-9])(?:bearer|token|jwt|secret|password)[^a-z0-9]+[a-z0-9]/i

/** The beginning of the header of a JSON Web Token in base64url: an object, whose brace blanks may follow. */
const HEADER_BEGINS = /(?:^|[^a-z0-9])e[yw]/i

const BASE64URL = /^[\w-]+$/

/**
 * Returns whether an offered subprotocol looks like a token, which pages send because they cannot set the
 * header `Authorization` of a WebSocket: a value after a word such as `bearer`, or a JSON Web Token, also
 * after a prefix. A secret of another form cannot be distinguished from a name.
 */
function carriesToken (offer: string): boolean {
  if (SECRET_WORD.test(offer)) return true
  const parts = offer.split('.')
  // The signature, the third part, may be empty.
  return parts.some((part, i) =>
    i + 2 < parts.length && BASE64URL.test(parts[i + 1] ?? '') && endsWithHeader(part))
}

/** Returns whether a text ends with the header of a JSON Web Token. */
function endsWithHeader (text: string): boolean {
  const at = text.search(HEADER_BEGINS)
  if (at === -1) return false
  const header = text.slice(at).replace(/^[^a-z0-9]/i, '')
  return BASE64URL.test(header) && isJsonObject(header)
}

/** Returns whether a text is a JSON object in base64url. */
function isJsonObject (base64url: string): boolean {
  try {
    return isPlainObject(JSON.parse(Buffer.from(base64url, 'base64url').toString()))
  } catch {
    return false
  }
}

/**
 * Returns the subprotocol of the reply to an upgrade: `noex.v1` when it is offered, otherwise the first
 * offer, since browsers and `ws` close a connection without one of their offers. An offer that looks like a
 * token is never returned, so that it does not appear in a response header; `false` when all do.
 */
function chooseSubprotocol (offers: Iterable<string>): string | false {
  const names = [...offers].filter(offer => !carriesToken(offer))
  return names.includes(SUBPROTOCOL) ? SUBPROTOCOL : names[0] ?? false
}

/**
 * Makes a WebSocket server choose the subprotocol by `chooseSubprotocol` for upgrades for which `isOurs`
 * returns `true`. All others are answered by the server's own options.
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
