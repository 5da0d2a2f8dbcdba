import { messageOf, none } from './report.js'
import { IMPOSSIBLE, LOST, type OpenTransport } from './transport.js'
import type { WebSocketClass, WebSocketLike } from './types.js'

/**
 * Returns the transport over a WebSocket at `url`, of the class given or, where there is none, of the global
 * one.
 */
export function socketTransport (url: string, ownClass?: WebSocketClass): OpenTransport {
  return ({ onMessage, onClose }) => {
    let socket: WebSocketLike | undefined
    let problem: string | undefined
    const attempt = (run: () => void): void => {
      try {
        run()
      } catch (error) {
        problem = messageOf(error)
      }
    }
    attempt(() => {
      const Class = ownClass ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket
      if (!Class) throw new Error('pass a class as option `WebSocket`')
      const opened = socket = new Class(url)
      opened.onmessage = ({ data }) => { onMessage(String(data)) }
      // Browsers say nothing, other classes the reason: a refused certificate, an answer of a proxy.
      opened.onerror = event => { problem = event?.message || event?.error?.message || problem }
      opened.onclose = ({ code = LOST, reason = '' }) => { onClose(code, reason, problem) }
    })
    if (!socket) queueMicrotask(() => { onClose(IMPOSSIBLE, '', problem) })
    return {
      kind: 'websocket',
      // It throws only when it is closing, and then tells that it has.
      send: text => { attempt(() => { socket?.send(text) }) },
      close: (code = 1000, reason = '') => {
        onMessage = onClose = none
        attempt(() => { socket?.close(code, reason) })
      }
    }
  }
}
