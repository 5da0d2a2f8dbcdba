import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { NoexClient } from '../../lib/client/noex-client.js'
import type { NoexClientEvents, NoexClientOptions } from '../../lib/client/noex-types.js'

/** Delays with which tests are quick. */
export const quick = { initialDelayMs: 1, maxDelayMs: 10, jitterMs: 0 } as const

const eventNames: ReadonlyArray<keyof NoexClientEvents> = [
  'connected', 'disconnected', 'reconnecting', 'reconnected', 'error', 'welcome', 'session_revoked'
]

/** A client with all its events, in their order, each as its name and its arguments. */
export interface HeardClient {
  readonly client: NoexClient
  readonly events: Array<[name: string, ...args: any[]]>
  /** Returns the names of the events. */
  readonly names: () => string[]
  /** Cuts the connection, as a network does. */
  readonly cut: () => void
}

/** Makes a client that is disconnected with the test. */
export function noexClient (t: Test, url: string, options: NoexClientOptions = {}): HeardClient {
  let socket: WebSocket | undefined
  class CutSocket extends WebSocket {
    constructor (target: string) {
      super(target)
      socket = this
    }
  }
  const client = new NoexClient(url, { WebSocket: CutSocket, reconnect: quick, ...options })
  const events: HeardClient['events'] = []
  for (const name of eventNames) client.on(name, (...args) => { events.push([name, ...args]) })
  t.teardown(async () => { await client.disconnect() })
  const names = (): string[] => events.map(([name]) => name)
  return { client, events, names, cut: () => { socket?.terminate() } }
}

/** A server that knows nothing but the protocol of `@hamicek/noex-server`, or less. */
export interface PlainServer {
  readonly url: string
  /** Messages of all connections, in the order of their coming. */
  readonly received: Array<Record<string, any>>
  /** The present connections. */
  readonly sockets: () => WebSocket[]
}

/** Answers a request of a plain server: the data of the reply, `undefined` for none. */
export type PlainAnswer = (message: Record<string, any>, socket: WebSocket) => unknown

/** Serves messages that a test answers. `welcome`: members of it, `null` for none at all. */
export async function servePlainly (
  t: Test, answer: PlainAnswer, welcome: object | null = { requiresAuth: false }
): Promise<PlainServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  const received: PlainServer['received'] = []
  server.on('connection', socket => {
    if (welcome !== null) {
      const info = { type: 'welcome', version: '1.0.0', serverTime: Date.now(), ...welcome }
      socket.send(JSON.stringify(info))
    }
    socket.on('message', text => {
      const message = JSON.parse(String(text)) as Record<string, any>
      received.push(message)
      const data = answer(message, socket)
      if (data !== undefined) socket.send(JSON.stringify({ id: message['id'], type: 'result', data }))
    })
  })
  const { port } = server.address() as AddressInfo
  return { url: `ws://127.0.0.1:${port}`, received, sockets: () => [...server.clients] }
}
