import { connect, type Socket } from 'node:net'
import { FrameReader } from './frame-reader.js'
import { closeFrame, maskedTextFrame } from './frame-ring.js'

const HEADER_END = '\r\n\r\n'
const PING = '{"type":"ping"'
const PONG = maskedTextFrame('{"type":"pong","timestamp":0}')
const CLOSE = closeFrame()

/** Reads are handled before the next one begins, so all sockets can share the buffer. */
const readBuffer = Buffer.allocUnsafe(65_536)

/** Called with each message; the bytes from `start` to `end` are valid during the call only. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void

/**
 * A WebSocket client that does as little as possible, since it shares the cores with the server: prepared
 * frames go out, and what comes in is cut into messages without being decoded. It answers the protocol's
 * pings.
 */
export class Client {
  onMessage: OnMessage = () => {}
  /** Called when all messages that arrived together have been handed on. */
  onChunk: () => void = () => {}
  /** Milliseconds from the upgrade request to the first message. */
  welcomeMs = 0
  readonly #socket: Socket
  readonly #reader: FrameReader
  #upgraded = false
  #leaving = false

  private constructor (port: number, headers: readonly string[], welcomed: (client: Client) => void) {
    let requestedAt = 0
    const onFirst: OnMessage = () => {
      this.welcomeMs = performance.now() - requestedAt
      this.#reader.onMessage = onNext
      welcomed(this)
    }
    const onNext: OnMessage = (bytes, start, end) => {
      if (bytes[start + 2] === 0x74 && bytes.toString('latin1', start, start + PING.length) === PING) {
        this.#socket.write(PONG)
      } else {
        this.onMessage(bytes, start, end)
      }
    }
    this.#reader = new FrameReader(onFirst)
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: readBuffer, callback: length => this.#read(length) }
    })
    this.#socket.on('connect', () => {
      requestedAt = performance.now()
      this.#socket.write(
        `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
          [...headers, '', ''].join('\r\n')
      )
    })
    // Counts after a loss would be wrong, so the benchmark does not go on.
    this.#socket.on('error', error => { if (!this.#leaving) throw error })
    this.#socket.on(
      'close',
      () => { if (!this.#leaving) throw new Error('the server has closed a connection') }
    )
  }

  /** Connects and resolves when the server's first message has arrived. */
  static async open (port: number, headers: readonly string[] = []): Promise<Client> {
    return await new Promise<Client>(resolve => new Client(port, headers, resolve))
  }

  send (frames: Buffer): void {
    this.#socket.write(frames)
  }

  /** Leaves with a close frame and resolves when the socket has ended. */
  async close (): Promise<void> {
    this.#leaving = true
    await new Promise<void>(resolve => {
      this.#socket.on('close', () => { resolve() })
      this.#socket.write(CLOSE)
    })
  }

  /** Takes an end of the connection for no error from now on. */
  expectEnd (): void {
    this.#leaving = true
  }

  /** Ends the socket at once and leaves nothing behind in the TCP stack. */
  reset (): void {
    this.#leaving = true
    this.#socket.resetAndDestroy()
  }

  #read (length: number): boolean {
    let start = 0
    if (!this.#upgraded) {
      // The servers write the answer to an upgrade in one piece.
      const head = readBuffer.toString('latin1', 0, length)
      const end = head.indexOf(HEADER_END)
      if (end === -1 || !head.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${head}`)
      this.#upgraded = true
      start = end + HEADER_END.length
    }
    this.#reader.read(readBuffer, start, length)
    this.onChunk()
    return true
  }
}
