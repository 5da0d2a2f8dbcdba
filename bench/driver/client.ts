import { ClientSocket } from './client-socket.js'
import { FrameReader, type OnMessage } from './frame-reader.js'
import { closeFrame, maskedTextFrame } from './frame-ring.js'

/** How a conversation begins, and what keeps it alive. */
export interface Opening {
  /** Path of the upgrade. */
  readonly path: string
  /** Further headers of the upgrade. */
  readonly headers: readonly string[]
  /** Text that the client sends first. */
  readonly greeting?: string
  /** Beginning of the message after which requests may be sent; they may at once where there is none. */
  readonly ready?: string
  /** Beginning of the message that asks whether the client is there, and the answer. */
  readonly ping?: string
  readonly pong?: string
}

const HEADER_END = '\r\n\r\n'
const CLOSE = closeFrame()

/** The protocol of this server, and of the bare ones: the first message is the welcome. */
export const ownOpening: Opening = {
  path: '/',
  headers: [],
  ready: '{"type":"welcome"',
  ping: '{"type":"ping"',
  pong: '{"type":"pong","timestamp":0}'
}

/**
 * A WebSocket client that does as little as possible, since it shares the cores with the server: prepared
 * frames go out, and what comes in is cut into messages without being decoded. It answers pings.
 */
export class Client extends ClientSocket {
  onMessage: OnMessage = () => {}
  /** Milliseconds from the upgrade request until requests may be sent. */
  welcomeMs = 0
  readonly #opening: Opening
  readonly #reader: FrameReader
  readonly #pong: Buffer
  readonly #welcomed: (client: Client) => void
  #requestedAt = 0
  #upgraded = false

  private constructor (
    port: number, headers: readonly string[], opening: Opening, welcomed: (client: Client) => void
  ) {
    super(port)
    this.#opening = opening
    this.#welcomed = welcomed
    this.#pong = maskedTextFrame(opening.pong ?? '')
    const { ready, ping } = opening
    const onNext: OnMessage = (bytes, start, end) => {
      if (startsWith(bytes, start, end, ping)) this.socket.write(this.#pong)
      else this.onMessage(bytes, start, end)
    }
    this.#reader = new FrameReader((bytes, start, end) => {
      if (!startsWith(bytes, start, end, ready)) return
      this.#reader.onMessage = onNext
      this.#begin()
    })
    if (ready === undefined) this.#reader.onMessage = onNext
    this.socket.on('connect', () => {
      this.#requestedAt = performance.now()
      this.socket.write(
        `GET ${opening.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\n` +
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
          [...opening.headers, ...headers, '', ''].join('\r\n')
      )
    })
  }

  /** Connects and resolves when requests may be sent. */
  static async open (
    port: number, headers: readonly string[] = [], opening: Opening = ownOpening
  ): Promise<Client> {
    return await new Promise<Client>(resolve => new Client(port, headers, opening, resolve))
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
      const { greeting, ready } = this.#opening
      if (greeting !== undefined) this.send(maskedTextFrame(greeting))
      if (ready === undefined) this.#begin()
    }
    this.#reader.read(bytes, start, length)
  }

  #begin (): void {
    this.welcomeMs = performance.now() - this.#requestedAt
    this.#welcomed(this)
  }
}

/** Whether a message begins with a text, which must be of ASCII; never where there is none. */
function startsWith (bytes: Buffer, start: number, end: number, text: string | undefined): boolean {
  if (text === undefined || end - start < text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}
