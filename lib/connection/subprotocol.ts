import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'

/** The subprotocol of PROTOCOL.md. */
const SUBPROTOCOL = 'noex.v1'

/** An offer that carries a token, because a page cannot set the header `Authorization` of its WebSocket. */
const CARRIES_TOKEN = /(?:^|\.)bearer\./i

/**
 * Returns the subprotocol that an upgrade is answered with: `noex.v1` when it is offered, otherwise the first
 * that is, since browsers and `ws` give up a connection on which none of their offers is named. An offer that
 * carries a token is never returned, so that it does not come back in a header; `false` when all do.
 */
export function chooseSubprotocol (offers: Iterable<string>): string | false {
  const speakable = [...offers].filter(offer => !CARRIES_TOKEN.test(offer))
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
