import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The listeners of responses that have no turn yet, by their connection. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `listener` when a response has ended, or its client has gone; more than once where it is both. A
 * response of HTTP/1.1 that waits for those before it on its connection (pipelining) emits nothing when that
 * closes: then the connection tells.
 */
export function onResponseEnd (response: ServerResponse, listener: () => void): void {
  response.once('close', listener)
  const socket = socketInWait(response)
  if (socket === undefined) return
  const listeners = listenersOf(socket)
  listeners.add(listener)
  response.once('close', () => { listeners.delete(listener) })
  if (socket.destroyed) queueMicrotask(listener)
}

/** Whether a response waits for its turn on a connection that has ended. */
export function isOfEndedConnection (response: ServerResponse): boolean {
  return socketInWait(response)?.destroyed === true
}

/** Returns the connection of a response that has no turn yet; `undefined` for any other. */
function socketInWait ({ socket, req }: ServerResponse): Socket | undefined {
  // A request of `inject` has no socket, or none with events.
  const { httpVersionMajor, socket: own } = req as Partial<IncomingMessage>
  return socket === null && httpVersionMajor === 1 && typeof own?.once === 'function' ? own : undefined
}

function listenersOf (socket: Socket): Set<() => void> {
  let listeners = waiting.get(socket)
  if (listeners === undefined) {
    const added = listeners = new Set()
    waiting.set(socket, added)
    // One for all: there may be hundreds.
    socket.once('close', () => { for (const listener of added) listener() })
  }
  return listeners
}
