import { PassThrough, type Duplex } from 'node:stream'
import type { ServerResponse } from 'node:http'
import type { RawData, WebSocket, WebSocketServer } from 'ws'
import { runInNextTurn } from '../util/clock.js'
import { closeTimeoutMs } from '../deadlines.js'

/**
 * The private members of a WebSocket of `ws` that this module uses. Each is checked for before it is used,
 * and a test pins the versions that have them.
 */
interface WebSocketInside {
  _closeTimeout?: number
  readonly _socket?: Duplex | null
  readonly _receiver?: ReceiverInside | null
  readonly setSocket?: (socket: Duplex, head: Buffer, options: object) => void
}

interface ReceiverInside {
  _maxPayload?: number
  _maxFragments?: number
  _maxBufferedChunks?: number
  _skipUTF8Validation?: boolean
  /** The negotiated extensions, by name. */
  readonly _extensions?: Readonly<Record<string, { _maxPayload?: number } | undefined>>
}

interface UpgradedSocket extends Duplex {
  readonly _httpMessage?: ServerResponse | null
}

/** Returns the stream below a WebSocket; `undefined` when it has ended. */
export function streamOf (ws: WebSocket): Duplex | undefined {
  return (ws as unknown as WebSocketInside)._socket ?? undefined
}

/** Returns the HTTP response that an upgraded socket still belongs to, if any. */
export function responseOf (stream: Duplex): ServerResponse | undefined {
  return (stream as UpgradedSocket)._httpMessage ?? undefined
}

/**
 * Returns the number of fragments in which a message of `maxPayload` bytes may come, and of pieces in which
 * TCP may deliver it. Each costs memory beside its bytes, so without these limits a client could take far
 * more than it sends. They allow fragments of 4 KiB and pieces of 256 bytes; a network's smallest have 536.
 */
export function frameLimits (maxPayload: number): {
  readonly maxPayload: number
  readonly maxFragments: number
  readonly maxBufferedChunks: number
} {
  return {
    maxPayload,
    maxFragments: Math.max(64, Math.ceil(maxPayload / 4_096)),
    maxBufferedChunks: Math.max(1_024, Math.ceil(maxPayload / 256))
  }
}

/**
 * Overrides the server's options for one WebSocket: the largest message, compressed or not, its parts, the
 * check of UTF-8, and the time for the answer to a close frame.
 */
export function setLimits (ws: WebSocket, maxPayloadBytes: number): void {
  // A client that begins a close and does not end it gets no more time than others.
  ;(ws as unknown as WebSocketInside)._closeTimeout = closeTimeoutMs
  const receiver = (ws as unknown as WebSocketInside)._receiver
  if (receiver == null) return
  const { maxPayload, maxFragments, maxBufferedChunks } = frameLimits(maxPayloadBytes)
  receiver._maxPayload = maxPayload
  receiver._maxFragments = maxFragments
  receiver._maxBufferedChunks = maxBufferedChunks
  receiver._skipUTF8Validation = false
  // Otherwise a frame is inflated up to the server's limit before its length is checked.
  const deflate = receiver._extensions?.['permessage-deflate']
  if (deflate !== undefined) deflate._maxPayload = maxPayload
}

/** Whether `setLimits` works with the version of `ws` behind this server. */
export function canSetLimits (server: WebSocketServer): boolean {
  const Socket = server.options.WebSocket
  if (Socket === undefined) return false
  try {
    const probe = new Socket(null as unknown as string, undefined, { closeTimeout: 1 } as object)
    const inside = probe as unknown as WebSocketInside
    inside.setSocket?.(new PassThrough(), Buffer.alloc(0), { ...frameLimits(1), skipUTF8Validation: true })
    const { _maxPayload, _maxFragments, _maxBufferedChunks, _skipUTF8Validation } = inside._receiver ?? {}
    const hasSizes = _maxPayload === 1 && _maxFragments === 64 && _maxBufferedChunks === 1_024
    const works = inside._closeTimeout === 1 && hasSizes && _skipUTF8Validation === true
    probe.terminate()
    return works
  } catch {
    // The constructor of a class of the application's own.
    return false
  }
}

/**
 * Releases the HTTP request and response of the upgrade, which would otherwise stay in memory as long as the
 * connection: the socket and an error listener of `@fastify/websocket` refer to them.
 */
export function forgetUpgrade (ws: WebSocket): void {
  ws.removeAllListeners('error')
  const stream = streamOf(ws)
  if (stream !== undefined) runInNextTurn(detachResponse, stream)
}

function detachResponse (stream: Duplex): void {
  const response = responseOf(stream)
  if (response !== undefined && !stream.destroyed) response.detachSocket(stream as never)
}

/** Receives the events of a WebSocket. */
export interface SocketListener {
  onMessage: (data: RawData, isBinary: boolean) => void
  /** Called when the client broke RFC 6455 or the network has failed; `onClose` follows. */
  onError: (error: Error) => void
  onClose: (code: number) => void
}

const kListener = Symbol('noex.listener')

interface ListenedWebSocket extends WebSocket {
  [kListener]: SocketListener
}

/** Adds the listener of a WebSocket. The functions are shared: an idle connection has none of its own. */
export function listen (ws: WebSocket, listener: SocketListener): void {
  (ws as ListenedWebSocket)[kListener] = listener
  ws.on('message', onMessage)
  ws.on('error', onError)
  ws.on('close', onClose)
}

function onMessage (this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as ListenedWebSocket)[kListener].onMessage(data, isBinary)
}

function onError (this: WebSocket, error: Error): void {
  (this as ListenedWebSocket)[kListener].onError(error)
}

function onClose (this: WebSocket, code: number): void {
  (this as ListenedWebSocket)[kListener].onClose(code)
}
