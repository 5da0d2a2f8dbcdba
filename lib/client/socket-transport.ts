import { IMPOSSIBLE, LOST } from './ending.js'
import { messageOf } from './errors.js'
import type { OpenTransport } from './transport.js'
import type { WebSocketClass, WebSocketLike } from './types.js'

/**
 * Returns the transport over a WebSocket at `url`, of the class given or, where there is none, of the global
 * one.
 */
export function socketTransport (url: string, ownClass?: WebSocketClass): OpenTransport {
  return ({ onMessage, onClose }) => {
    let socket: WebSocketLike | undefined
    let problem: string | undefined
    let hasEnded = false
    const end = (code: number, reason: string): void => {
      if (hasEnded) return
      hasEnded = true
      onClose(code, reason, problem)
    }
    try {
      const Class = ownClass ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket
      if (Class === undefined) throw new Error('there is no WebSocket here: pass a class as option `WebSocket`')
      socket = new Class(url)
      socket.onmessage = ({ data }) => { if (!hasEnded) onMessage(String(data)) }
      // Browsers say nothing, other classes the reason: a refused certificate, an answer of a proxy.
      socket.onerror = event => { problem = event?.message || event?.error?.message || problem }
      socket.onclose = event => { end(event?.code ?? LOST, String(event?.reason ?? '')) }
    } catch (error) {
      problem = messageOf(error)
      Promise.resolve().then(() => { end(IMPOSSIBLE, '') })
    }
    return {
      kind: 'websocket',
      send: text => {
        try {
          if (!hasEnded) socket?.send(text)
        } catch {
          // It is closing: `onclose` follows.
        }
      },
      close: (code = 1000, reason = '') => {
        hasEnded = true
        try {
          socket?.close(code, reason)
        } catch {
          // It was not open, or the class does not take the code.
        }
      }
    }
  }
}
