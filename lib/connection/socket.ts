import { PassThrough, type Duplex } from 'node:stream'
import type { ServerResponse } from 'node:http'
import type { RawData, WebSocket, WebSocketServer } from 'ws'

/**
 * What this module knows of the inside of `ws` and of Node's upgrade: members that have no public name.
 * Each is looked for before it is used, and a test pins the versions that have them.
 */
interface WebSocketInside {
  readonly _socket?: Duplex | null
  readonly _receiver?: { _maxPayload?: number } | null
  readonly setSocket?: (socket: Duplex, head: Buffer, options: object) => void
}

interface UpgradedSocket extends Duplex {
  readonly _httpMessage?: ServerResponse | null
}

/** The stream below a WebSocket. */
export function streamOf (ws: WebSocket): Duplex | undefined {
  return (ws as unknown as WebSocketInside)._socket ?? undefined
}

/** The HTTP response that an upgraded socket still belongs to, if any. */
export function responseOf (stream: Duplex): ServerResponse | undefined {
  return (stream as UpgradedSocket)._httpMessage ?? undefined
}

/** Sets the largest frame that this WebSocket accepts, whatever its server was told. */
export function limitPayload (ws: WebSocket, maxPayloadBytes: number): void {
  const receiver = (ws as unknown as WebSocketInside)._receiver
  if (receiver != null) receiver._maxPayload = maxPayloadBytes
}

/** Whether `limitPayload` works with the version of `ws` behind this server. */
export function canLimitPayload (server: WebSocketServer): boolean {
  const Socket = server.options.WebSocket
  if (Socket === undefined) return false
  const probe = new Socket(null as unknown as string, undefined, {})
  const inside = probe as unknown as WebSocketInside
  inside.setSocket?.(new PassThrough(), Buffer.alloc(0), { maxPayload: 1 })
  const works = inside._receiver?._maxPayload === 1
  probe.terminate()
  return works
}

/**
 * Lets go of what would otherwise stay in memory as long as the connection: the HTTP exchange behind the
 * upgrade, held by the socket and by an error listener that `@fastify/websocket` has just added.
 */
export function forgetUpgrade (ws: WebSocket): void {
  ws.removeAllListeners('error')
  const stream = streamOf(ws)
  if (stream !== undefined) setImmediate(detachResponse, stream)
}

function detachResponse (stream: Duplex): void {
  const response = responseOf(stream)
  if (response !== undefined && !stream.destroyed) response.detachSocket(stream as never)
}

/** Who hears what happens on a WebSocket. */
export interface SocketListener {
  received: (data: RawData, isBinary: boolean) => void
  /** The client broke RFC 6455, or the network has failed; `ended` follows. */
  failed: (error: Error) => void
  ended: (code: number) => void
}

const kListener = Symbol('noex.listener')

interface HeardWebSocket extends WebSocket {
  [kListener]: SocketListener
}

/** Listens. The functions are the same for all WebSockets: an idle one has none of its own. */
export function listen (ws: WebSocket, listener: SocketListener): void {
  (ws as HeardWebSocket)[kListener] = listener
  ws.on('message', onMessage)
  ws.on('error', onError)
  ws.on('close', onClose)
}

function onMessage (this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as HeardWebSocket)[kListener].received(data, isBinary)
}

function onError (this: WebSocket, error: Error): void {
  (this as HeardWebSocket)[kListener].failed(error)
}

function onClose (this: WebSocket, code: number): void {
  (this as HeardWebSocket)[kListener].ended(code)
}
