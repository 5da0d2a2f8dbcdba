import type { EventEmitter } from 'node:events'
import { PassThrough, type Duplex, type Writable } from 'node:stream'
import type { ServerResponse } from 'node:http'
import type { RawData, WebSocket, WebSocketServer } from 'ws'
import { runInNextTurn } from '../util/clock.js'
import { CLOSE_TIMEOUT_MS } from '../protocol/close-codes.js'

/** The part of a socket that is not a WebSocket of `ws`, where that has private members instead. */
export interface OwnSocket {
  /** Takes the frames of the outbox. */
  readonly stream: Writable
  /** The largest message that the client may send. */
  maxMessageBytes: number
}

/** The socket of a connection, as it is used: a WebSocket of `ws`, or an event stream. */
export type ClientSocket = EventEmitter &
  Pick<WebSocket, 'OPEN' | 'readyState' | 'isPaused' | 'pause' | 'resume' | 'close' | 'terminate'> & {
    readonly own?: OwnSocket
  }

/** The code of the error with which ws refuses a frame that is too long, before it reads the payload. */
export const FRAME_TOO_LONG = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'

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

interface UpgradedSocket extends Writable {
  readonly _httpMessage?: ServerResponse | null
}

/** Returns the stream below a socket; `undefined` when it has ended. */
export function streamOf (ws: ClientSocket): Writable | undefined {
  return ws.own?.stream ?? (ws as unknown as WebSocketInside)._socket ?? undefined
}

/** Returns the HTTP response that an upgraded socket still belongs to, if any. */
export function responseOf (stream: Writable): ServerResponse | undefined {
  return (stream as UpgradedSocket)._httpMessage ?? undefined
}

/**
 * Fragments of a message, and one more for each 4 KiB of `maxPayloadBytes` above 256 KiB.
 * @limit close 1008
 */
const MIN_FRAGMENTS = 64
/** Bytes of `maxPayloadBytes` for each further one. */
const FRAGMENT_BYTES = 4_096
/**
 * Packets in which a message comes in, and one more for each 256 bytes of `maxPayloadBytes` above 256 KiB.
 * @limit close 1008
 */
const MIN_PACKETS = 1_024
/** Bytes of `maxPayloadBytes` for each further one. */
const PACKET_BYTES = 256

/**
 * In how many fragments a message of `maxPayload` bytes may come, and in how many pieces TCP may deliver it.
 * A fragment or a piece costs memory beside its bytes, so without these limits a client could take far more
 * than it sends. They let a message pass in fragments of 4 KiB, and in pieces of 256 bytes: the smallest that
 * a network makes has 536.
 */
export function frameLimits (maxPayload: number): {
  readonly maxPayload: number
  readonly maxFragments: number
  readonly maxBufferedChunks: number
} {
  return {
    maxPayload,
    maxFragments: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / FRAGMENT_BYTES)),
    maxBufferedChunks: Math.max(MIN_PACKETS, Math.ceil(maxPayload / PACKET_BYTES))
  }
}

/**
 * Overrides the server's options for one WebSocket: the largest message, compressed or not, its parts, the
 * check of UTF-8, and the time for the answer to a close frame. An event stream has the first alone.
 */
export function setLimits (ws: ClientSocket, maxPayloadBytes: number): void {
  if (ws.own !== undefined) {
    ws.own.maxMessageBytes = maxPayloadBytes
    return
  }
  // Who says that it closes and does not must not be waited for any longer than others.
  ;(ws as unknown as WebSocketInside)._closeTimeout = CLOSE_TIMEOUT_MS
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
export function forgetUpgrade (ws: ClientSocket): void {
  ws.removeAllListeners('error')
  const stream = streamOf(ws)
  if (stream !== undefined) runInNextTurn(detachResponse, stream)
}

function detachResponse (stream: Writable): void {
  const response = responseOf(stream)
  if (response !== undefined && !stream.destroyed) response.detachSocket(stream as never)
}

/** Receives the events of a socket. */
export interface SocketListener {
  onMessage: (data: RawData, isBinary: boolean) => void
  /** Called when the client broke RFC 6455 or the network has failed; `onClose` follows. */
  onError: (error: Error) => void
  onClose: (code: number) => void
}

const kListener = Symbol('noex.listener')

interface ListenedSocket extends ClientSocket {
  [kListener]: SocketListener
}

/** Adds the listener of a socket. The functions are shared: an idle connection has none of its own. */
export function listen (ws: ClientSocket, listener: SocketListener): void {
  (ws as ListenedSocket)[kListener] = listener
  ws.on('message', onMessage)
  ws.on('error', onError)
  ws.on('close', onClose)
}

function onMessage (this: ClientSocket, data: RawData, isBinary: boolean): void {
  (this as ListenedSocket)[kListener].onMessage(data, isBinary)
}

function onError (this: ClientSocket, error: Error): void {
  (this as ListenedSocket)[kListener].onError(error)
}

function onClose (this: ClientSocket, code: number): void {
  (this as ListenedSocket)[kListener].onClose(code)
}
