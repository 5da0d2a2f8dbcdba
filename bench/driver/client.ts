import { ClientSocket } from './client-socket.js'
import { FrameReader, type OnMessage } from './frame-reader.js'
import { closeFrame, maskedTextFrame } from './frame-ring.js'

const HEADER_END = '\r\n\r\n'
const PING = '{"type":"ping"'
const PONG = maskedTextFrame('{"type":"pong","timestamp":0}')
const CLOSE = closeFrame()

/**
 * A WebSocket client that does as little as possible, since it shares the cores with the server: prepared
 * frames go out, and what comes in is cut into messages without being decoded. It answers the protocol's
 * pings.
 */
export class Client extends ClientSocket {
  onMessage: OnMessage = () => {}
  /** Milliseconds from the upgrade request to the first message. */
  welcomeMs = 0
  readonly #reader: FrameReader
  #upgraded = false

  private constructor (port: number, headers: readonly string[], welcomed: (client: Client) => void) {
    super(port)
    let requestedAt = 0
    const onFirst: OnMessage = () => {
      this.welcomeMs = performance.now() - requestedAt
      this.#reader.onMessage = onNext
      welcomed(this)
    }
    const onNext: OnMessage = (bytes, start, end) => {
      if (bytes[start + 2] === 0x74 && bytes.toString('latin1', start, start + PING.length) === PING) {
        this.socket.write(PONG)
      } else {
        this.onMessage(bytes, start, end)
      }
    }
    this.#reader = new FrameReader(onFirst)
    this.socket.on('connect', () => {
      requestedAt = performance.now()
      this.socket.write(
        `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
          [...headers, '', ''].join('\r\n')
      )
    })
  }

  /** Connects and resolves when the server's first message has arrived. */
  static async open (port: number, headers: readonly string[] = []): Promise<Client> {
    return await new Promise<Client>(resolve => new Client(port, headers, resolve))
  }

  /** Leaves with a close frame and resolves when the socket has ended. */
  async close (): Promise<void> {
    this.expectEnd()
    await new Promise<void>(resolve => {
      this.socket.on('close', () => { resolve() })
      this.socket.write(CLOSE)
    })
  }

  protected read (bytes: Buffer, length: number): void {
    let start = 0
    if (!this.#upgraded) {
      // The servers write the answer to an upgrade in one piece.
      const head = bytes.toString('latin1', 0, length)
      const end = head.indexOf(HEADER_END)
      if (end === -1 || !head.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${head}`)
      this.#upgraded = true
      start = end + HEADER_END.length
    }
    this.#reader.read(bytes, start, length)
  }
}
