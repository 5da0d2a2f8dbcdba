import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

/** Time after which an answer that a test waits for counts as missing. */
const PATIENCE_MS = 5_000

/** The headers that make a request an upgrade request. */
export const upgradeHeaders = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
]

/** A TCP client that says exactly what it is told to, and nothing by itself: no pong, no close frame. */
export class RawSocket {
  readonly socket: Socket
  /** Resolves when the server has ended the connection; this side stays as it is. */
  readonly closed: Promise<void>
  /** Everything that was received, byte by byte. */
  received = ''

  private constructor (socket: Socket) {
    this.socket = socket
    this.closed = new Promise(resolve => {
      socket.on('end', () => { resolve() })
      socket.on('close', () => { resolve() })
    })
    socket.setEncoding('latin1')
    socket.on('data', chunk => { this.received += String(chunk) })
    socket.on('error', () => {})
  }

  static async open (t: Test, port: number): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    t.teardown(() => { socket.destroy() })
    const raw = new RawSocket(socket)
    await once(socket, 'connect')
    return raw
  }

  /** Opens a socket and sends an upgrade request. */
  static async upgrade (
    t: Test,
    port: number,
    target = '/',
    headers: readonly string[] = ['Host: localhost']
  ): Promise<RawSocket> {
    const raw = await RawSocket.open(t, port)
    raw.request(`GET ${target} HTTP/1.1`, ...headers, ...upgradeHeaders)
    return raw
  }

  request (...lines: readonly string[]): void {
    this.socket.write([...lines, '', ''].join('\r\n'), 'latin1')
  }

  /** Sends a text frame, masked with zeros. */
  sendFrame (text: string, firstByte = 0x81): void {
    const payload = Buffer.from(text)
    this.socket.write(Buffer.concat([Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0]), payload]))
  }

  /** Resolves with what was received when it matches, or the connection has ended. */
  async until (pattern: RegExp): Promise<string> {
    const patience = AbortSignal.timeout(PATIENCE_MS)
    while (!pattern.test(this.received) && !this.socket.readableEnded && !this.socket.destroyed) {
      await Promise.race([once(this.socket, 'data', { signal: patience }), this.closed])
    }
    return this.received
  }

  /** The status of the answer to the first request; 0 when the connection ended without one. */
  async status (): Promise<number> {
    const head = await this.until(/\r\n\r\n/)
    return Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0)
  }
}
